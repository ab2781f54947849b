"""What holds for every registered task; a new task is covered by its line in the registry."""

import functools
import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rftlab.cell import Cell
from rftlab.registry import TASKS, names
from rftlab.tasks import arithmetic
from rftlab.tasks.base import Example, Task, fingerprint, load_task, normalise_prompt
from rftlab.tasks.template import TEMPLATES
from rftlab.verifiers.base import make_verifier

CASES = Path(__file__).parents[1] / "cases"
DATA: dict[str, dict[str, Any]] = {
    "code/humaneval": {"path": str(CASES / "humaneval_format.jsonl")},
    "code/mbpp": {"path": str(CASES / "mbpp_format.jsonl")},
    "math/gsm8k": {"sample": True},
    "medical/pubmedqa": {"sample": True},
}
# These need a data file of the user's, or are walked in tests/tasks/test_gym.py.
ELSEWHERE = {"file", "gym/*", "pairs"}
ALL = [name for name in names(TASKS) if name not in ELSEWHERE]
# Where the data is a file, there is no ood part, and a seed would have nothing to draw.
GENERATED = [name for name in ALL if name not in DATA and name not in ("qa/facts", "qa/choice")]
WITHOUT_RATIONALE = {"code/humaneval", "code/mbpp"}
# The rationale ends in the answer's value; elsewhere it is a plan, or the answer is a text.
ENDS_IN_ANSWER = [
    name
    for name in ALL
    if name.startswith(("medical/", "math/countdown", "math/equations", "qa/facts", "qa/choice", "arithmetic/dose"))
    and name != "medical/pubmedqa"
]


@pytest.fixture(autouse=True)
def drawn_anew(monkeypatch: pytest.MonkeyPatch, drawing: Callable[..., Task]) -> None:
    monkeypatch.setattr(arithmetic, "load", drawing)


@functools.cache
def loaded(name: str) -> Task:
    return load_task(name, DATA.get(name))


def some(task: Task, count: int = 20) -> list[Example]:
    return [*task.train[:count], *task.test[:count], *task.beyond[:count]]


def tagged(answer: str) -> str:
    return f"<answer>{answer}</answer>"


@pytest.mark.parametrize("name", ALL)
def test_splits_are_disjoint_by_text_and_ids_are_unique(name: str) -> None:
    task = loaded(name)
    texts = [{normalise_prompt(example.prompt) for example in part} for part in (task.train, task.test, task.beyond)]
    assert not texts[0] & texts[1]
    assert not texts[0] & texts[2]
    assert not texts[1] & texts[2]
    everything = task.train + task.test + task.beyond
    assert len({example.id for example in everything}) == len(everything)


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_task_has_enough_labels_and_a_part_out_of_distribution(name: str) -> None:
    task = loaded(name)
    assert len(task.train) >= 300
    assert len(task.test) >= 100
    assert len(task.beyond) >= 50


@pytest.mark.parametrize("name", ALL)
def test_loading_twice_gives_the_same_examples(name: str) -> None:
    assert load_task(name, DATA.get(name)).fingerprint == loaded(name).fingerprint


@pytest.mark.parametrize("name", GENERATED)
def test_fewer_items_are_a_prefix_and_another_seed_never_trains_on_test_items(name: str) -> None:
    small = load_task(name, {"train": 30, "test": 20, "ood": 10})
    task = loaded(name)
    assert fingerprint(small.train) == fingerprint(task.train[:30])
    assert fingerprint(small.test) == fingerprint(task.test[:20])
    if name != "math/word":  # reasoning-gym draws its own stream for each seed
        other = load_task(name, {"train": 200, "test": 20, "ood": 10, "seed": 1})
        tested = {normalise_prompt(example.prompt) for example in task.test}
        assert not tested & {normalise_prompt(example.prompt) for example in other.train}
        assert fingerprint(other.train[:30]) != fingerprint(small.train)


@pytest.mark.parametrize("name", ALL)
def test_label_budgets_are_nested(name: str) -> None:
    task = loaded(name)
    most = min(100, len(task.train))
    drawn = [task.labels(count, seed=3).train for count in (1, most // 2 or 1, most)]
    for fewer, more in pairwise(drawn):
        assert more[: len(fewer)] == fewer


@pytest.mark.parametrize("name", ALL)
def test_gold_answers_score_one_and_silence_scores_nothing(name: str) -> None:
    task = loaded(name)
    verifier = make_verifier(task.verifier, settings=task.verifier_settings)
    examples = some(task)
    scores = verifier.score([tagged(example.answer) for example in examples], examples)
    assert [
        (example.id, score.detail) for example, score in zip(examples, scores, strict=True) if score.reward < 1
    ] == []
    for silence in ("", tagged(""), "I do not know."):
        assert not any(score.reward for score in verifier.score([silence] * len(examples), examples))


@pytest.mark.parametrize("name", [name for name in ALL if name not in DATA])
def test_the_answers_of_other_examples_rarely_score(name: str) -> None:
    task = loaded(name)
    verifier = make_verifier(task.verifier, settings=task.verifier_settings)
    examples = some(task)
    others = [next(e for e in examples if e.answer != example.answer) for example in examples]
    scores = verifier.score([tagged(other.answer) for other in others], examples)
    assert sum(score.reward >= 1 for score in scores) <= 0.05 * len(scores)


@pytest.mark.parametrize("name", ALL)
def test_the_card_names_licence_and_limits(name: str) -> None:
    card = loaded(name).card
    assert 150 < len(card) < 1500
    assert "\n" not in card
    if name.startswith("medical/"):
        assert "not medical advice" in card


@pytest.mark.parametrize("name", [name for name in ALL if name not in WITHOUT_RATIONALE])
def test_every_example_has_a_rationale_and_both_templates_can_write_it(name: str) -> None:
    for example in some(loaded(name)):
        for template in TEMPLATES.values():
            assert template.completion(example, cot=True).endswith(tagged(example.answer))
            assert example.prompt in template.prompt(example, cot=False)


@pytest.mark.parametrize("name", ENDS_IN_ANSWER)
def test_the_rationale_ends_in_the_answer(name: str) -> None:
    for example in some(loaded(name), 100):
        assert example.rationale is not None
        end = example.rationale.rstrip(".")[-60:]
        values = [part.strip() for part in example.answer.split(",")]
        assert all(value in end or value in example.rationale for value in values)
        assert values[-1] in end or "countdown" in name or "arithmetic" in name or "triage" in name


@pytest.mark.parametrize("name", ALL)
def test_meta_is_json_that_survives_a_file(name: str) -> None:
    def same(value: Mapping[str, Any]) -> bool:
        return json.loads(json.dumps(value)) == value

    assert all(same(example.meta) for example in some(loaded(name)))


@pytest.mark.parametrize("name", ALL)
def test_the_registry_names_every_verifier_that_judges_the_task(name: str) -> None:
    """So that a raised version of one of them reaches the ids of the cells it judged."""

    def named(verifier: str, settings: Mapping[str, Any]) -> set[str]:
        components = settings.get("components", ())
        return {verifier}.union(*(named(each["verifier"], each.get("settings", {})) for each in components))

    task = loaded(name)
    head, _, variant = name.partition("/")
    verifiers = TASKS[head].verifiers
    assert named(task.verifier, task.verifier_settings) == set(verifiers.get(variant, verifiers["*"]))


def test_a_task_may_change_the_settings_it_is_given(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from rftlab.tasks.base import Example, Task\n\n"
        "def make(columns):\n"
        "    answer = columns.pop('answer')\n"
        "    columns['list'].append(1)\n"
        "    return Task('mine', '', (Example('a', 'a', answer),), (Example('b', 'b', answer),))\n"
    )
    settings = {"columns": {"answer": "3", "list": []}}
    cell = Cell.make({"task": f"{tmp_path}/mine.py:make", "task_settings": settings})
    assert load_task(cell.task, cell.task_settings).train[0].answer == "3"
    assert cell.task_settings == settings
