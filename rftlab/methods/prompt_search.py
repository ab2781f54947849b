"""prompt-search: instruction and shots searched on the labels, with the FLOPs that another arm trains with."""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BeforeValidator, Field, model_validator

from rftlab.errors import RftlabError
from rftlab.methods.base import Ladder, Settings, TrainingRun
from rftlab.methods.sft import SFTSettings
from rftlab.policy.caps import given
from rftlab.policy.context import room_of
from rftlab.policy.rollout import sample
from rftlab.record.outcomes import worth
from rftlab.tasks.base import Example, Labels
from rftlab.tasks.shots import Shots, in_turn

LONGEST = 2_000
"""Characters of an instruction that are kept, whoever wrote it."""
# Labels that a candidate is asked in the first round, at least; with fewer nothing is told apart.
_LEAST = 4
# Padding of batches that prompts of unlike length share.
_PADDED = 1.3


class PromptSearchSettings(Settings):
    """Settings of `prompt-search`."""

    shots: Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(tuple)] = Field(
        (0, 4, 16), min_length=1, description="numbers of shots tried with each instruction"
    )
    choice: Literal["random", "nearest"] = Field(
        "random", description="which shots: the first of the budget, or for each question the most alike (BM25)"
    )
    instructions_file: str = Field("", description="your instructions, one a line, tried before the packaged ones")
    flops: float = Field(0.0, ge=0, description="FLOPs to search with; 0: what the cell's budget is to SFT")
    proposer: Literal["list", "gepa"] = Field(
        "list", description="who proposes instructions: the lists, or GEPA too (extra: gepa), with half of the FLOPs"
    )
    reflector_url: str = Field(
        "", description="for gepa: an OpenAI-compatible endpoint that rewrites instructions; empty: the model itself"
    )
    reflector_model: str = Field("", description="for gepa: the model there")

    @model_validator(mode="after")
    def _can_propose(self) -> "PromptSearchSettings":
        if self.proposer == "gepa" and find_spec("gepa") is None:
            raise ValueError("proposer gepa takes the package gepa, which is not installed; pip install 'rftlab[gepa]'")
        if bool(self.reflector_url) != bool(self.reflector_model):
            raise ValueError("a reflector takes both, reflector_url and reflector_model")
        return self


class Prompt(NamedTuple):
    """A candidate.

    Attributes:
        instruction: stands before everything; "" for none.
        shots: how many labels stand before a question.
    """

    instruction: str
    shots: int


@dataclass
class Asked:
    """What a candidate has been worth so far: its labels in the order in which all are asked."""

    prompt: Prompt
    worth: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float:
        """Share of them that is right, or mean reward; -1 of none."""
        return sum(self.worth) / len(self.worth) if self.worth else -1.0


class PromptSearch:
    """The untrained base under the best prompt that so many FLOPs find."""

    Settings: ClassVar[type[Settings]] = PromptSearchSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Agrawal et al. 2025 (2507.19457): instructions rewritten by reflection, kept on a Pareto front over items.
        "gepa": {"proposer": "gepa"},
    }
    # Nothing is trained; four entries, so that it can stand in a grid that asks for learning-rate trials.
    ladder = Ladder(lora=(0.0,) * 4, full=(0.0,) * 4)
    card = (
        "Idea: spend the compute of a training on the prompt: instruction and shots are searched on the labels.\n"
        "Objective: argmax over prompts q of mean_i r(y_i, x_i), y_i the greedy answer to label x_i after q, shots\n"
        "being of other folds. Successive halving (Jamieson and Talwalkar 2016, 1502.07943): all candidates are\n"
        "asked the same few labels, the better half goes on to more. The bare prompt is always one of them.\n"
        "Settings: shots = 0, 4, 16; choice = random; instructions: rftlab/methods/instructions.txt, yours first\n"
        "(instructions_file). preset: gepa lets GEPA (Agrawal et al. 2025, 2507.19457; extra: gepa) rewrite them with\n"
        "half of the FLOPs, the same model or a named endpoint as reflector; an endpoint's FLOPs are not counted.\n"
        "When: beside every trained arm, before any training; on models that follow instructions.\n"
        "Costs: the FLOPs of the cell's budget: of a budget in steps or tokens what SFT on these labels takes for it;\n"
        "every prompt and completion counts (2 N a token). Each answer reads the prompt again: answer_flops.\n"
        "Deviations from the paper: candidates beyond what the FLOPs allow 4 labels each are left out at random\n"
        "(seed_sampling); where labels or FLOPs run out, the best so far is taken, of those as good the shortest.\n"
        "What goes wrong: on few labels the winner is lucky (development_accuracy below its validation accuracy); a\n"
        "base that follows no instructions gains nothing, and the bare prompt should then win; an instruction that\n"
        "GEPA has a model write is a model's text: look at it, in the report or the record, before it is used."
    )

    def train(self, run: TrainingRun) -> None:
        """Search, and leave the best prompt in the policy's template; the weights stay as they are."""
        settings: PromptSearchSettings = run.settings
        search = Search(run, settings, settings.flops or flops_of_budget(run))
        own, packaged = instructions_of(settings)
        if settings.proposer == "gepa":
            from rftlab.methods.gepa_proposer import propose  # an extra

            own = [*propose(search, settings), *own]
        best = search.best(_candidates(own, packaged, search.usable_shots, run.cell.seed_sampling))
        run.policy.template = search.template(best.prompt, run.labels.train)
        chosen = {"instruction": best.prompt.instruction, "shots": best.prompt.shots, "choice": settings.choice}
        run.found.update(chosen=chosen, tried=search.told(best))


class Search:
    """Candidates asked on held-out labels, until the FLOPs are spent.

    Args:
        run: its labels are asked, each after shots from other folds; its monitor counts.
        settings: of the method.
        flops: to spend in all.
    """

    def __init__(self, run: TrainingRun, settings: PromptSearchSettings, flops: float) -> None:
        self.run, self.settings, self.flops = run, settings, flops
        self._plain = run.policy.template
        self._folds = in_turn(run.labels.train)
        self.items = _interleaved(self._folds)
        self._tried: dict[Prompt, Asked] = {}
        self._answer_tokens = given(run.cell, cot=run.cell.cot_eval) / 2
        if not self.items:
            run.monitor.warn("prompt-search had no two different labels to choose by: the bare prompt was taken")

    @property
    def left(self) -> float:
        """FLOPs that may still be spent."""
        return self.flops - self.run.monitor.cost.flops

    @property
    def usable_shots(self) -> list[int]:
        """Of the numbers of shots asked for those that there are labels for, and rationales where they need them."""
        labels, needed = self.run.labels.train, self.run.cell.cot
        if needed and not all(example.rationale for example in labels):
            self.run.monitor.warn("labels without rationales are no shots with chain-of-thought: none were tried")
            return [0]
        return sorted({min(count, len(labels)) for count in self.settings.shots})

    def template(self, prompt: Prompt, pool: Sequence[Example]) -> Shots:
        """The policy's template under a prompt, with shots from a pool."""
        run, choice = self.run, self.settings.choice
        own = {"count": prompt.shots, "choice": choice, "cot": run.cell.cot, "fits": room_of(run.policy, run.cell)}
        return Shots.of(self._plain, pool, instruction=prompt.instruction, **own)

    def best(self, candidates: Sequence[Prompt]) -> Asked:
        """The candidate that is left of successive halving, or leads when FLOPs or labels are spent."""
        alive = [Asked(prompt) for prompt in self._affordable(candidates)]
        rounds, asked = max(1, math.ceil(math.log2(len(alive)))), 0
        for number in range(rounds):
            share = self.left / (rounds - number)
            each = sum(self._cost(one.prompt) for one in alive)
            count = min(max(_LEAST, int(share / each)) if each else 0, len(self.items) - asked)
            if not count:
                break
            done = [one for one in alive if self.ask(one, asked, count)]
            asked += count
            alive = _better_half(done or alive)
            if len(alive) == 1 or len(done) < len(alive):
                break
        return min(alive, key=lambda one: (-one.mean, self._cost(one.prompt)))

    def ask(self, one: Asked, first: int, count: int) -> bool:
        """Ask a candidate further labels; False, and nothing is asked, where the FLOPs do not hold them."""
        if self._cost(one.prompt) * count > self.left:
            return False
        one.worth += self.worth(one.prompt, self.items[first : first + count])
        self._tried[one.prompt] = one
        return True

    def worth(self, prompt: Prompt, items: Sequence[tuple[int, Example]]) -> list[float]:
        """What greedy answers to labels are worth by the measure that decides, in order."""
        return [worth(row, self.run.cell.evaluation.decides) for row in self.answers(prompt, items)]

    def answers(self, prompt: Prompt, items: Sequence[tuple[int, Example]]) -> list[dict[str, Any]]:
        """Greedy answers to labels, each by the number of its fold: prompt, completion, reward, reason."""
        run, policy, cot = self.run, self.run.policy, self.run.cell.cot_eval
        templates = [self.template(prompt, fold.train) for fold in self._folds]
        texts = [policy.in_chat(templates[fold].prompt(example, cot=cot), cot=cot) for fold, example in items]
        rollouts = sample(
            policy, [policy.encode_prompt(text) for text in texts], max_new_tokens=given(run.cell, cot=cot), greedy=True
        )
        run.monitor.sampled(rollouts)
        completions = [policy.decode(rollout.completion_ids, cot=cot) for rollout in rollouts]
        scores = run.verifier.score(completions, [example for _, example in items])
        run.monitor.verified([score.reward for score in scores])
        self._answer_tokens = max(1.0, sum(len(rollout.completion_ids) for rollout in rollouts) / len(rollouts))
        return [
            {"prompt": text, "completion": completion, "reward": score.reward, "reason": score.reason}
            for text, completion, score in zip(texts, completions, scores, strict=True)
        ]

    def told(self, best: Asked) -> list[dict[str, Any]]:
        """What was tried, in order, for the record."""
        return [
            {
                "settings": {"instruction": one.prompt.instruction, "shots": one.prompt.shots},
                "validation_accuracy": one.mean,
                "validation_items": len(one.worth),
                "chosen": one is best,
            }
            for one in {**self._tried, best.prompt: best}.values()
        ]

    def _cost(self, prompt: Prompt) -> float:
        """FLOPs that one more label takes of a candidate, about."""
        policy, cot = self.run.policy, self.run.cell.cot_eval
        fold, example = self.items[0] if self.items else (0, self.run.labels.train[0])
        pool = self._folds[fold].train if self._folds else ()
        text = policy.in_chat(self.template(prompt, pool).prompt(example, cot=cot), cot=cot)
        tokens = len(policy.encode_prompt(text)) + self._answer_tokens
        return 2.0 * policy.parameters * tokens * _PADDED

    def _affordable(self, candidates: Sequence[Prompt]) -> list[Prompt]:
        """The first candidates, of which a first round of a few labels takes no more than half of what is left."""
        if not self.items:
            return [Prompt("", 0)]
        spent, kept = 0.0, [candidates[0]]
        for prompt in candidates[1:]:
            spent += _LEAST * self._cost(prompt)
            if spent > self.left / 2:
                self.run.monitor.warn(
                    f"{len(kept)} of {len(candidates)} prompts were tried: {self.flops:.2g} FLOPs hold no more"
                )
                break
            kept.append(prompt)
        return kept


def instructions_of(settings: PromptSearchSettings) -> tuple[list[str], list[str]]:
    """The user's instructions, and the packaged ones.

    Raises:
        RftlabError: the user's file cannot be read, or holds none.
    """
    packaged = (files("rftlab.methods") / "instructions.txt").read_text(encoding="utf-8")
    own = ""
    if settings.instructions_file:
        path = Path(settings.instructions_file).expanduser()
        try:
            own = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no text in UTF-8"
            raise RftlabError(f"settings.instructions_file: {path} cannot be read: {why}") from None
        if not [*_lines(own)]:
            raise RftlabError(f"settings.instructions_file: {path} holds no instruction; write one a line")
    return [*_lines(own)], [*_lines(packaged)]


def flops_of_budget(run: TrainingRun) -> float:
    """What the cell's budget is in FLOPs: of steps and tokens, what SFT on these labels takes for them.

    Raises:
        RftlabError: the budget is in seconds.
    """
    budget, policy, labels = run.cell.budget, run.policy, run.labels.train
    if budget.unit == "flops":
        return budget.amount
    if budget.unit == "seconds":
        raise RftlabError("prompt-search counts FLOPs, and budget.unit is seconds; give settings.flops")
    tokens = budget.amount
    if budget.unit == "steps":
        cot = run.cell.cot and all(example.rationale for example in labels)
        gold = policy.count_gold(labels, cot)
        rows = [policy.count_prompt(each, cot) + length for each, length in zip(labels, gold, strict=True)]
        batch = min(SFTSettings().batch, len(rows))
        padded = [max(rows[start : start + batch]) for start in range(0, len(rows) - batch + 1, batch)]
        tokens *= batch * sum(padded) / len(padded)
    return tokens * (4.0 * policy.parameters + 2.0 * policy.trained_parameters)


def _candidates(own: Iterable[str], packaged: Iterable[str], shots: Sequence[int], seed: int) -> list[Prompt]:
    """The bare prompt, shots alone, what was given or proposed, then the packaged ones in an order of the seed."""
    first = [Prompt(text, count) for text in ("", *own) for count in shots]
    rest = [Prompt(text, count) for text in packaged for count in shots]
    random.Random(f"prompts-{seed}").shuffle(rest)
    return [*dict.fromkeys((Prompt("", 0), *first, *rest))]


def _interleaved(folds: Sequence[Labels]) -> list[tuple[int, Example]]:
    """Held-out labels with the number of their fold, a fold after the other."""
    longest = max((len(fold.validation) for fold in folds), default=0)
    return [
        (number, fold.validation[place])
        for place in range(longest)
        for number, fold in enumerate(folds)
        if place < len(fold.validation)
    ]


def _better_half(asked: Sequence[Asked]) -> list[Asked]:
    """The better half, in the order given; of those as good the earlier ones."""
    order = sorted(range(len(asked)), key=lambda place: (-asked[place].mean, place))
    kept = set(order[: -(-len(asked) // 2)])
    return [one for place, one in enumerate(asked) if place in kept]


def _lines(text: str) -> Iterable[str]:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return (line[:LONGEST] for line in lines if line and not line.startswith("#"))
