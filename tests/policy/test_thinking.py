"""Models that think: which part of a completion is judged, how they are asked, and how labels are written for them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.policy.load import Policy, load_policy
from rftlab.tasks.base import Example
from rftlab.verifiers.base import make_verifier

EXAMPLE = Example("a", "Tom has 3 pens and buys 4. How many?", "7", "3 + 4 = 7.")
PLAIN = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
# What earlier turns thought is dropped; thinking can be switched off, by a block that is empty and closed.
SWITCHED = PLAIN.replace("m.content", "m.content.split('</think>')[-1]").removesuffix("{% endif %}") + (
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
PREFILLED = PLAIN.removesuffix("{% endif %}") + "<think>\n{% endif %}"


@pytest.fixture
def asked(small_cell: Callable[..., Cell]) -> Callable[..., Policy]:
    """Makes the tiny base with a chat template; keywords are the cell's."""

    def make(chat_template: str, **values: str) -> Policy:
        policy = load_policy(small_cell(template="instruct"))
        policy.tokenizer.chat_template = chat_template
        policy.system = values.get("system", "")
        return policy

    return make


@pytest.mark.parametrize(
    ("chat_template", "cot", "prompt_ends", "completion"),
    [
        (PLAIN, True, "[assistant]", "3 + 4 = 7.\n<answer>7</answer>"),
        (PLAIN, False, "[assistant]", "<answer>7</answer>"),
        (SWITCHED, True, "[assistant]", "<think>\n3 + 4 = 7.\n</think>\n\n<answer>7</answer>"),
        (SWITCHED, False, "[assistant]<think>\n\n</think>\n\n", "<answer>7</answer>"),
        (PREFILLED, True, "[assistant]<think>\n", "\n3 + 4 = 7.\n</think>\n\n<answer>7</answer>"),
        (PREFILLED, False, "[assistant]<think>\n", "\n</think>\n\n<answer>7</answer>"),
    ],
)
def test_prompts_and_labels_follow_the_models_way_of_thinking(
    asked: Callable[..., Policy], chat_template: str, cot: bool, prompt_ends: str, completion: str
) -> None:
    policy = asked(chat_template)
    assert policy.prompt_text(EXAMPLE, cot=cot).endswith(prompt_ends)
    assert policy.completion_text(EXAMPLE, cot=cot) == completion
    ids = policy.encode_completion(EXAMPLE, cot=cot)
    text = policy.decode(ids, cot=cot)
    assert text == ("<think>" if chat_template == PREFILLED else "") + completion
    assert make_verifier("exact")(text, EXAMPLE).reward == 1


def test_a_prompt_that_speaks_of_thinking_opens_nothing(asked: Callable[..., Policy]) -> None:
    example = Example("a", "What does <think> mean?", "x")
    policy = asked(SWITCHED, system="Never write <think>.")
    assert "<think> mean" in policy.prompt_text(example, cot=True)
    assert policy.thinking(cot=True) == "block"
    assert asked(PLAIN).thinking(cot=True) == "none"


def test_a_completion_cut_while_it_thinks_after_a_prefilled_tag_has_no_answer(asked: Callable[..., Policy]) -> None:
    cut = asked(PREFILLED).tokenizer("So the answer is 7. <answer>7</answer>")["input_ids"]
    for chat_template, reward in ((PREFILLED, 0), (PLAIN, 1)):
        text = asked(chat_template).decode(cut, cot=True)
        assert make_verifier("exact")(text, EXAMPLE).reward == reward


def test_tags_that_the_tokenizer_calls_special_are_judged(asked: Callable[..., Policy]) -> None:
    policy = asked(SWITCHED)
    policy.tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>", "<|end|>"]})
    ids = policy.tokenizer("<think>3 <answer>3</answer></think><|end|><answer>7</answer>")["input_ids"]
    assert policy.tokenizer.decode(ids, skip_special_tokens=True).count("think") == 0
    text = policy.decode([*ids, policy.tokenizer.eos_token_id], cot=True)
    assert text == "<think>3 <answer>3</answer></think><answer>7</answer>"


def test_a_system_message_stands_before_the_prompt(asked: Callable[..., Policy]) -> None:
    text = asked(PLAIN, system="Be brief.").prompt_text(EXAMPLE, cot=True)
    assert text.startswith("[system]Be brief.\n[user]Tom has")
    assert "[system]" not in asked(PLAIN).prompt_text(EXAMPLE, cot=True)


def test_a_system_message_needs_a_chat_template(small_cell: Callable[..., Cell]) -> None:
    with pytest.raises(RftlabError, match="'tiny-base' has no chat template, so it takes no system message"):
        load_policy(small_cell(system="Be brief."))


@pytest.mark.parametrize(("chat_template", "reward"), [(PREFILLED, 0.0), (PLAIN, 1.0)])
def test_training_and_evaluation_pay_only_for_what_follows_the_thinking(
    chat_template: str, reward: float, small_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    """The verifier pays for any text at all; the tiny base never closes a block that its prompt has opened."""
    policy = load_policy(small_cell(**{"adapter.kind": "full"}))
    policy.tokenizer.chat_template = chat_template
    policy.tokenizer.save_pretrained(tmp_path)
    policy.model.save_pretrained(tmp_path)
    (tmp_path / "pays.py").write_text("def judge(completion, example):\n    return float(bool(completion))\n")
    cell = small_cell(
        model=str(tmp_path), system="Be brief.", method="grpo", verifier=f"{tmp_path}/pays.py:judge",
        settings={"prompts_per_step": 2, "num_generations": 4}, **{"evaluation.retention": ""},
    )  # fmt: skip
    experiment = Experiment(cell)
    experiment.train()
    experiment.evaluate()
    assert {row["train/reward"] for row in experiment.trace if row["kind"] == "train"} == {reward}
    assert experiment._outcome is not None
    assert {row["reward"] for row in experiment._outcome.samples} == {reward}
    for row in experiment._outcome.samples:
        assert row["completion"].startswith("<think>") == (chat_template == PREFILLED)
        assert row["prompt"].startswith("[system]Be brief.")
