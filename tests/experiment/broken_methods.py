"""A sound method, SFT in fifty lines, and ways to break it, each of which one check of the suite has to catch."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any, ClassVar

import torch
from torch import Tensor

from rftlab.methods.base import Ladder, Settings, TrainingRun
from rftlab.policy.rollout import sample
from rftlab.tasks.base import Example, load_task


class Sound:
    """Imitates the labels, four a step."""

    Settings: ClassVar[type[Settings]] = Settings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    ladder = Ladder(lora=(3e-3,), full=(3e-4,))
    card = "Idea: cross-entropy of the labelled completions, four a step, nothing else."

    def train(self, run: TrainingRun) -> None:
        weights = [p for p in run.policy.model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=run.learning_rate)
        rows = self.rows(run)
        stop = False
        while not stop:
            loss = self.loss(run, [next(rows) for _ in range(4)])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            stop = run.monitor.step(self.metrics(loss.item()))

    def rows(self, run: TrainingRun) -> Iterator[Example]:
        return cycle(run.labels.train)

    def metrics(self, loss: float) -> dict[str, float]:
        return {"train/loss": loss}

    def loss(self, run: TrainingRun, examples: Sequence[Example]) -> Tensor:
        _, ids, seen, trained = self.batch(run, examples)
        logits = run.policy.model(input_ids=ids, attention_mask=seen).logits[:, :-1]
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
        return (losses * trained[:, 1:]).sum() / trained[:, 1:].sum()

    def batch(self, run: TrainingRun, examples: Sequence[Example]) -> tuple[list[int], Tensor, Tensor, Tensor]:
        """Lengths of prompts; ids, what is seen and what is trained on, padded on the left."""
        policy = run.policy
        prompts = [policy.encode_prompt(policy.prompt_text(e, cot=run.cell.cot)) for e in examples]
        completions = [policy.encode_completion(e, cot=run.cell.cot) for e in examples]
        width = max(len(p) + len(c) for p, c in zip(prompts, completions, strict=True))
        ids = torch.full((len(examples), width), int(policy.tokenizer.pad_token_id))
        seen, trained = torch.zeros_like(ids), torch.zeros(ids.shape)
        for i, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
            ids[i, width - len(prompt) - len(completion) :] = torch.tensor(prompt + completion)
            seen[i, width - len(prompt) - len(completion) :] = 1
            trained[i, width - len(completion) :] = 1
        return [len(prompt) for prompt in prompts], ids, seen, trained


class OneStepMore(Sound):
    def train(self, run: TrainingRun) -> None:
        super().train(run)
        run.monitor.step({"train/loss": self.loss(run, run.labels.train).item()})


class CountsItself(Sound):
    """Knows what a budget in steps is, and takes one in tokens for as many steps."""

    def train(self, run: TrainingRun) -> None:
        for _ in range(int(min(run.cell.budget.amount, 40))):
            super_stop = run.monitor.step
            loss = self.loss(run, run.labels.train[:4])
            loss.backward()
            with torch.no_grad():
                for p in run.policy.model.parameters():
                    if p.requires_grad and p.grad is not None:
                        p -= run.learning_rate * p.grad
            super_stop({"train/loss": loss.item()})


class TrainsUncharged(Sound):
    def loss(self, run: TrainingRun, examples: Sequence[Example]) -> Tensor:
        with run.monitor.uncharged():
            free = super().loss(run, examples)
        return free + 0 * super().loss(run, examples[:1])


class TwoUpdatesAStep(Sound):
    def train(self, run: TrainingRun) -> None:
        report, calls = run.monitor.step, []

        def every_other(metrics: Mapping[str, float]) -> bool:
            calls.append(1)
            return len(calls) % 2 == 0 and report(metrics)

        run.monitor.step = every_other  # type: ignore[method-assign]
        super().train(run)


class ScoresInSilence(Sound):
    def loss(self, run: TrainingRun, examples: Sequence[Example]) -> Tensor:
        run.verifier.score(["1"] * len(examples), examples)
        return super().loss(run, examples)


class TrainsOnPrompts(Sound):
    def batch(self, run: TrainingRun, examples: Sequence[Example]) -> Any:
        prompts, ids, seen, _ = super().batch(run, examples)
        return prompts, ids, seen, seen.float()


class TrainsOnPadding(Sound):
    def batch(self, run: TrainingRun, examples: Sequence[Example]) -> Any:
        prompts, ids, seen, trained = super().batch(run, examples)
        return prompts, ids, seen, trained + (1 - seen)


class MasksNothing(Sound):
    def batch(self, run: TrainingRun, examples: Sequence[Example]) -> Any:
        prompts, ids, seen, trained = super().batch(run, examples)
        return prompts, ids, torch.ones_like(seen), trained


class OwnPrompts(Sound):
    def rows(self, run: TrainingRun) -> Iterator[Example]:
        return cycle([Example(e.id, f"1 + {e.prompt}", e.answer) for e in run.labels.train])


class MovesTheBase(Sound):
    def metrics(self, loss: float) -> dict[str, float]:
        with torch.no_grad():
            self.weight.add_(1e-3)
        return super().metrics(loss)

    def loss(self, run: TrainingRun, examples: Sequence[Example]) -> Tensor:
        self.weight = run.policy.model.get_output_embeddings().weight
        return super().loss(run, examples)


class TrainsACopy(Sound):
    def train(self, run: TrainingRun) -> None:
        before = {n: p.clone() for n, p in run.policy.model.named_parameters()}
        super().train(run)
        with torch.no_grad():
            for name, weight in run.policy.model.named_parameters():
                weight.copy_(before[name])


class ReadsTheClock(Sound):
    def rows(self, run: TrainingRun) -> Iterator[Example]:
        start = int.from_bytes(os.urandom(4)) % len(run.labels.train) + time.time_ns() * 0
        return cycle([*run.labels.train[start:], Example("x", str(os.urandom(4)), "1")])


class TrainsOnDevelopment(Sound):
    def rows(self, run: TrainingRun) -> Iterator[Example]:
        return cycle([*run.labels.development, *run.labels.train])


class TrainsOnTest(Sound):
    def rows(self, run: TrainingRun) -> Iterator[Example]:
        test = load_task("arithmetic/word", {"train": 40, "test": 8, "ood": 0}).test
        return cycle([*run.labels.train[:1], *test])


class SeesDevelopment(Sound):
    """Never puts a development item to the policy, and lets them decide all the same."""

    def rows(self, run: TrainingRun) -> Iterator[Example]:
        return cycle(run.labels.train[len(run.labels.development[0].prompt) % 8 :])


class SaysNothing(Sound):
    def metrics(self, loss: float) -> dict[str, float]:
        return {}


class BareName(Sound):
    def metrics(self, loss: float) -> dict[str, float]:
        return {"train/loss": loss, "loss": loss}


class NotANumber(Sound):
    def metrics(self, loss: float) -> dict[str, float]:
        return {"train/loss": loss, "train/entropy": float("nan")}


class NeverAsksForReasoning(Sound):
    def batch(self, run: TrainingRun, examples: Sequence[Example]) -> Any:
        direct = run.cell.model_copy(update={"cot": False})
        return super().batch(replace(run, cell=direct), examples)


class HasOneCap(Sound):
    """Samples with the cap for chain-of-thought, whatever the cell asks for."""

    def loss(self, run: TrainingRun, examples: Sequence[Example]) -> Tensor:
        prompts = [run.policy.encode_prompt(run.policy.prompt_text(e, cot=run.cell.cot)) for e in examples]
        cap = run.cell.decoding.max_new_tokens
        run.monitor.sampled(sample(run.policy, prompts, max_new_tokens=cap, greedy=True))
        return super().loss(run, examples)


class HasTheOtherCap(HasOneCap):
    """Samples with the cap for no chain-of-thought, whatever the cell asks for."""

    def loss(self, run: TrainingRun, examples: Sequence[Example]) -> Tensor:
        decoding = run.cell.decoding
        swapped = decoding.model_copy(update={"max_new_tokens": decoding.max_new_tokens_direct})
        return super().loss(replace(run, cell=run.cell.model_copy(update={"decoding": swapped})), examples)


class Unlearns(Sound):
    def loss(self, run: TrainingRun, examples: Sequence[Example]) -> Tensor:
        return 0.01 * -super().loss(run, examples)


class Raises(Sound):
    def train(self, run: TrainingRun) -> None:
        super().train(run)
        raise KeyError("gone")


class EndsTheProcess(Sound):
    def train(self, run: TrainingRun) -> None:
        os._exit(3)
