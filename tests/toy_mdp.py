"""A token MDP small enough to enumerate, as a real Policy: 4 tokens, at most 4 steps, a trap beside the optimum.

Tokens are "a", "b", "c" and the end. A completion that begins with "ca" and holds no "b" earns 1; one that begins with
"bbb" earns 0.4: a trap, because nothing near it is better. Under the uniform policy that is one in 26 and one in 64.
Two prompts of different length, the same rewards; 121 completions each.
"""

import functools
import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

from rftlab.cell import Cell
from rftlab.methods.base import TrainingRun, load_method, make_settings, rates_of, stages_of
from rftlab.methods.monitor import Monitor
from rftlab.parts import Budget
from rftlab.policy.load import Policy
from rftlab.policy.rollout import Rollout, completion_logprobs
from rftlab.registry import METHODS
from rftlab.tasks.base import Example, Labels
from rftlab.tasks.template import Template, Thinking
from rftlab.verifiers.base import FunctionVerifier

END, HORIZON, TRAP = 0, 4, 0.4
# Of the first hundred, the random base nearest to the uniform policy: the toy is about learning, not about its base.
BASE = 24
EXAMPLES = tuple(Example(f"toy-{i}", prompt, "ca", rationale="ca") for i, prompt in enumerate(("a", "cb")))


@dataclass(frozen=True)
class _ToyTemplate(Template):
    def completion(self, example: Example, *, cot: bool, thinking: Thinking = "none") -> str:
        return example.answer


TEMPLATE = _ToyTemplate("toy", before="", after_direct="", after_cot="", lead="", joint="")


def reward(completion: str, example: Any = None) -> float:
    """1 for the optimum, 0.4 in the trap, else 0."""
    if completion.startswith("ca") and "b" not in completion:
        return 1.0
    return TRAP if completion.startswith("bbb") else 0.0


def toy_policy(
    seed: int = 0, *, kind: str = "lora", base: int = BASE, rank: int = 8, targets: str = "all-linear"
) -> Policy:
    """A random tiny Llama over 4 tokens, near the uniform policy; ``seed`` is the adapter's.

    Its output matrix is four times larger than usual: the last norm fixes the length of the hidden state, so that with
    the usual one no adapter could leave the uniform policy.
    """
    words = Tokenizer(models.WordLevel({"$": END, "a": 1, "b": 2, "c": 3}, unk_token="a"))
    words.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    words.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="$", pad_token="$", padding_side="left")
    set_seed(base)
    config = LlamaConfig(
        vocab_size=4, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=16, bos_token_id=None, eos_token_id=END, pad_token_id=END, tie_word_embeddings=False,
    )  # fmt: skip
    model: Any = LlamaForCausalLM(config)
    with torch.no_grad():
        model.lm_head.weight.mul_(4.0)
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = END
    set_seed(seed)
    if kind == "lora":
        model = get_peft_model(
            model,
            LoraConfig(
                task_type="CAUSAL_LM",
                r=rank,
                lora_alpha=16,
                target_modules=targets if targets == "all-linear" else [targets],
            ),
        )
    return Policy(model.eval(), tokenizer, TEMPLATE, "toy")


def completions() -> list[list[int]]:
    """Every possible completion: ended by the end token, or cut at the horizon."""
    found = []
    for length in range(1, HORIZON + 1):
        for body in itertools.product((1, 2, 3), repeat=length - 1):
            last = (END,) if length < HORIZON else (END, 1, 2, 3)
            found += [[*body, token] for token in last]
    return found


@torch.no_grad()
def distribution(policy: Policy, example: Example) -> Tensor:
    """(121,) probability of every completion of one prompt."""
    prompt = policy.encode_prompt(example.prompt)
    rollouts = [Rollout(prompt, ids, [0.0] * len(ids), truncated=ids[-1] != END) for ids in completions()]
    return torch.stack([row.sum() for row in completion_logprobs(policy.model, rollouts, pad_id=END)]).double().exp()


def rewards(policy: Policy) -> Tensor:
    """(121,) reward of every completion."""
    return torch.tensor([reward(policy.decode(ids, cot=True)) for ids in completions()], dtype=torch.float64)


def expected_reward(policy: Policy) -> float:
    """Exact expected reward of sampling from the policy, averaged over the prompts; the optimum is 1."""
    return float(torch.stack([distribution(policy, e) @ rewards(policy) for e in EXAMPLES]).mean())


def tv_to_kl_optimum(policy: Policy, reference: Policy, beta: float) -> float:
    """Total variation between the policy and pi*(y) prop. to pi_ref(y) exp(R(y) / beta), averaged over the prompts."""
    distances = []
    for example in EXAMPLES:
        optimum = distribution(reference, example) * (rewards(policy) / beta).exp()
        distances.append(0.5 * (distribution(policy, example) - optimum / optimum.sum()).abs().sum())
    return float(torch.stack(distances).mean())


def toy_run(
    method: str,
    seed: int,
    *,
    steps: int = 1,
    budget: Budget | None = None,
    preset: str = "",
    kind: str = "lora",
    rate: float | None = None,
    policy: Policy | None = None,
    verifier: FunctionVerifier | None = None,
    temperature: float = 1.0,
    top_p: float = 1.0,
    examples: Sequence[Example] = EXAMPLES,
    **settings: Any,
) -> TrainingRun:
    """A TrainingRun of a registered method on the toy; ``settings`` are the method's, ``rate`` its learning rate.

    Where it learns from a teacher and names none, that is `toy_teacher`.
    """
    cell = Cell.make(
        {"method": method, "seed": seed, "labels": len(examples), "settings": settings,
         "decoding.max_new_tokens": HORIZON, "decoding.temperature": temperature, "decoding.top_p": top_p,
         "budget.amount": float(steps), "adapter.r": 8, "adapter.alpha": 16, "adapter.kind": kind}
    )  # fmt: skip
    if METHODS[method].teacher:
        settings = {"teacher": toy_teacher().name, **settings}
    policy, trained = policy or toy_policy(seed, kind=kind), load_method(method)
    made = make_settings(trained, method, preset, settings)
    rates = rates_of(cell, stages_of(trained, method, made))
    budget = budget or Budget(unit="steps", amount=float(steps))
    return TrainingRun(
        policy,
        Labels(tuple(examples), ()),
        verifier or FunctionVerifier(reward),
        cell,
        made,
        learning_rates=(*rates[:-1], rate) if rate else rates,
        monitor=Monitor(policy, budget),
    )


def train_toy(method: str, seed: int, **arguments: Any) -> TrainingRun:
    """`toy_run`, trained; its policy and its monitor's trace are what became of it."""
    run = toy_run(method, seed, **arguments)
    torch.manual_seed(seed)
    load_method(method).train(run)
    return run


@functools.cache
def toy_teacher() -> "tempfile.TemporaryDirectory[str]":
    """Folder of a toy model that SFT has brought to the optimum; gone when the process ends."""
    folder = tempfile.TemporaryDirectory()
    policy = train_toy("sft", 0, steps=60, kind="full").policy
    policy.model.save_pretrained(folder.name)
    policy.tokenizer.save_pretrained(folder.name)
    return folder


def with_policy(run: TrainingRun, policy: Policy) -> TrainingRun:
    """The same run on another policy."""
    return replace(run, policy=policy)
