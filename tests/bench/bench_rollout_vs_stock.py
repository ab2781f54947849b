"""Rollout tokens a second: `rftlab.policy.rollout.sample` against `model.generate` as TRL's GRPOTrainer calls it.

Four prompts with sixteen completions each, the default of a GRPO step; a fresh LoRA adapter, as in training. Only
tokens up to the end of each completion count. Lengths are mixed: the tiny base ends its completions by itself, and
SmolLM2, which hardly would, also ends where a line or a sentence does (in both arms). One compute thread for the tiny
base, as in a grid's kernels, all cores for SmolLM2. `share_of_peak` is 2 x weights x tokens (each distinct prompt once)
against a matrix product timed in the same process. The stock arm is in single precision; rftlab's is in what
`precision: auto` decides here, and rows `rftlab_fp32` show it in single precision where that is another.
"""

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import GenerationConfig

from rftlab.cell import Cell
from rftlab.execute.kernels import cores
from rftlab.policy.load import Policy, load_policy
from rftlab.policy.rollout import sample
from rftlab.tasks.base import load_task
from tests.bench.measure import SMOLLM2, Row, note, ratios, row, take_turns

SAMPLES = 16
# Completion cap and chain-of-thought of each kind of completion, by model.
KINDS = {"tiny": {"short": (16, False), "long": (64, True)}, "smollm2": {"short": (24, False), "long": (128, True)}}
ENDS_OF_SMOLLM2 = {"short": ("\n", ".", "</"), "long": ("\n\n", ".\n\n", ":\n\n")}


def run(quick: bool = False) -> dict[str, Row]:
    """At most five rounds each within 25 s, 150 s on SmolLM2 (one if quick, of very short completions there)."""
    rows: dict[str, Row] = {}
    together: list[list[float]] = []
    settings = {"tiny": ("tiny-base", 4, 1)}
    if (SMOLLM2 / "model.safetensors").is_file():
        settings["smollm2"] = (str(SMOLLM2), 1 if quick else 4, 1 if quick else cores())
    else:
        note(f"{SMOLLM2} is not there: rows of smollm2 are left out; get it with `rftlab fetch smollm2`")
    for name, (model, prompts, threads) in settings.items():
        torch.set_num_threads(threads)
        policy, single = (load_policy(Cell.make({"model": model, "precision": p})) for p in ("auto", "fp32"))
        peak = max(_matmul_flops(policy.device) for _ in range(3))
        rows[f"rollout_vs_stock.{name}.matmul_peak"] = row([peak / 1e9], "GFLOP/s")
        for kind, (cap, cot) in KINDS[name].items():
            if name == "smollm2":
                for each in (policy, single):
                    _also_end_at(each, ENDS_OF_SMOLLM2[kind])
                cap = min(cap, 4) if quick else cap
            arms = _Arms(policy, single, prompts, cap, cot)
            run_of = {"rftlab": arms.ours, "stock": arms.stock}
            if policy.computes_in_half:
                run_of["rftlab_fp32"] = arms.ours_in_single
            took = take_turns(1 if quick else 5, run_of, within_s=25 if name == "tiny" else 150)
            key = f"rollout_vs_stock.{name}.{kind}"
            rows[key] = ratios(took["rftlab"], took["stock"])
            rows |= {f"{key}.{arm}": row(values, "tokens/s") for arm, values in took.items()}
            rows[f"{key}.share_of_peak"] = row([100 * flops / peak for flops in arms.our_flops], "%")
            rows[f"{key}.completion_tokens"] = row([statistics.mean(arms.lengths)], "tokens")
            rows[f"{key}.completion_tokens"] |= {"min": min(arms.lengths), "max": max(arms.lengths)}
            together.append([a / b for a, b in zip(took["rftlab"], took["stock"], strict=True)])
    # The geometric mean of the rows above, of their medians, their worst and their best rounds.
    for name, pick in (("median", statistics.median), ("min", min), ("max", max)):
        mean = math.exp(statistics.mean(math.log(pick(ratio)) for ratio in together))
        rows.setdefault("rollout_vs_stock", {"unit": "x", "runs": min(map(len, together))})[name] = mean
    return rows


class _Arms:
    """The same prompts, sampled by either."""

    def __init__(self, policy: Policy, single: Policy, prompts: int, cap: int, cot: bool) -> None:
        self.policy, self.single, self.cap = policy, single, cap
        examples = load_task("arithmetic/word").train[:prompts]
        ids = [policy.encode_prompt(policy.prompt_text(example, cot=cot)) for example in examples]
        self.ids = [prompt for prompt in ids for _ in range(SAMPLES)]
        self.distinct_tokens = sum(map(len, ids))
        self.generator = torch.Generator(policy.device).manual_seed(0)
        self.lengths: list[int] = []
        self.our_flops: list[float] = []
        tokenizer = policy.tokenizer
        # What GRPOTrainer of TRL 1.16 hands to generate.
        self.config = GenerationConfig(
            max_new_tokens=cap, do_sample=True, temperature=1.0, top_p=1.0, top_k=0, min_p=None, repetition_penalty=1.0,
            cache_implementation=None, pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id,
            eos_token_id=list(policy.eos_ids), disable_compile=True,
        )  # fmt: skip
        torch.manual_seed(0)

    def ours(self) -> float:
        lengths, took = self._sampled(self.policy)
        self.lengths += lengths
        self.our_flops.append(2.0 * self.policy.parameters * (self.distinct_tokens + sum(lengths)) / took)
        return sum(lengths) / took

    def ours_in_single(self) -> float:
        lengths, took = self._sampled(self.single)
        return sum(lengths) / took

    def _sampled(self, policy: Policy) -> tuple[list[int], float]:
        rollouts, took = _timed(
            policy, lambda: sample(policy, self.ids, max_new_tokens=self.cap, generator=self.generator)
        )
        return [len(rollout.completion_ids) for rollout in rollouts], took

    def stock(self) -> float:
        lengths, took = _timed(self.single, self._generate)
        return sum(lengths) / took

    @torch.no_grad()
    def _generate(self) -> list[int]:
        policy = self.single
        batch = policy.tokenizer.pad({"input_ids": self.ids}, padding_side="left", return_tensors="pt")
        batch = {name: batch[name].to(policy.device) for name in ("input_ids", "attention_mask")}
        ids = policy.model.generate(**batch, generation_config=self.config)[:, batch["input_ids"].shape[1] :]
        ended = torch.isin(ids, torch.tensor(policy.eos_ids, device=ids.device))
        first = torch.where(ended.any(1), ended.int().argmax(1) + 1, ids.shape[1])
        completions = [row[:length].tolist() for row, length in zip(ids.cpu(), first.tolist(), strict=True)]
        return [len(completion) for completion in completions]


def _timed(policy: Policy, call: Callable[[], Any]) -> tuple[Any, float]:
    _finish(policy.device)
    began = time.perf_counter()
    result = call()
    _finish(policy.device)
    return result, time.perf_counter() - began


def _matmul_flops(device: torch.device, size: int = 1536) -> float:
    left, right = (torch.rand(size, size, device=device) for _ in range(2))
    left @ right
    _finish(device)
    began = time.perf_counter()
    for _ in range(4):
        left @ right
    _finish(device)
    return 4 * 2 * size**3 / (time.perf_counter() - began)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _also_end_at(policy: Policy, texts: tuple[str, ...]) -> None:
    ends = [policy.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    single = [ids[0] for ids in ends if len(ids) == 1]
    policy.model.generation_config.eos_token_id = [policy.tokenizer.eos_token_id, *single]
