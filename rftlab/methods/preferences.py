"""Preference pairs as tokens, for DPO and for reward models: from a file, or simulated by the verifier.

Simulated pairs stand in for a person: two completions of one prompt that the verifier scores differently, the better
one chosen, and with probability `noise_rate` the other way round. The trace says of each run which it was.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeVar

import torch
from datasets import Dataset
from pydantic import Field

from rftlab.errors import RftlabError
from rftlab.methods.attempts import attempt, tries_per_prompt
from rftlab.methods.base import Settings, TrainingRun
from rftlab.policy.load import Policy
from rftlab.tasks.base import Example, normalise_prompt
from rftlab.tasks.example import unlike
from rftlab.tasks.folds import task_of
from rftlab.tasks.pairs import Pair, read_pairs
from rftlab.tasks.thumbs import Thumb
from rftlab.verifiers.base import THINK

_Row = TypeVar("_Row", bound=Pair | Thumb)


class PairSettings(Settings):
    """Where preference pairs come from."""

    pairs_file: str = Field("", description="JSONL of prompt, chosen, rejected; empty simulates them by the verifier")
    pair_generations: int | None = Field(
        None, ge=2, description="simulated: completions per labelled prompt; None: 512 in all, 8 a prompt at least"
    )
    pairs_per_prompt: int | None = Field(
        None, ge=1, description="simulated: pairs per prompt, at most; None: 256 in all, 4 a prompt at least"
    )
    chosen_from: Literal["better", "best"] = Field(
        "better", description="simulated: chosen is the better one of any two, or always one of the prompt's best"
    )
    noise_rate: float = Field(0.0, ge=0, le=0.5, description="simulated: share of pairs labelled the wrong way round")

    @property
    def also_taught_by(self) -> tuple[str, ...]:
        """The pairs of a file; those that are simulated say what the verifier says."""
        return ("its pairs",) if self.pairs_file else ()


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A preference pair as token ids; completions end with the end-of-sequence token unless the cap cut them."""

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]


def preference_pairs(run: TrainingRun, settings: PairSettings) -> tuple[list[TokenPair], dict[str, float]]:
    """The pairs of a run, in a reproducible order, and what the trace says of them.

    Args:
        run: from a file at most as many pairs as the label budget are used, drawn with `seed_data`: one comparison
            counts as one label; those of development and validation items, which differ by seed, are left out, and so
            are those of test items where the file is the task's own rows; the record says so. Simulated pairs are
            completions of the labelled prompts by the policy as it is.
        settings: file, or how to simulate.

    Raises:
        RftlabError: the file cannot be used, holds a test item, or no two completions were scored differently.
    """
    chance = random.Random(f"pairs-{run.cell.seed_data}")
    if settings.pairs_file:
        pairs = held_out_left_out(run, read_pairs(settings.pairs_file), settings.pairs_file)
        chance.shuffle(pairs)
        tokenised = [_tokenise(run.policy, pair, cot=run.cell.cot) for pair in pairs[: run.cell.labels]]
        noise = 0.0
    else:
        tokenised, noise = _simulate(run, settings, chance), settings.noise_rate
    if not tokenised:
        raise RftlabError(
            f"there are no preference pairs: {settings.pairs_file} is empty, or all its prompts are held out"
            if settings.pairs_file
            else "there are no preference pairs: the verifier scored all completions of each prompt alike; "
            "raise pair_generations, or begin with SFT"
        )
    said = {"pairs/count": float(len(tokenised)), "pairs/simulated": float(not settings.pairs_file)}
    return tokenised, said | {"pairs/noise_rate": noise}


def held_out_left_out(run: TrainingRun, rows: list[_Row], path: str) -> list[_Row]:
    """Rows of a file of preferences but for those whose prompt is a test, development or validation item.

    Raises:
        RftlabError: a test item, unless the file is the task's own rows.
    """
    task = task_of(run.cell)
    tested = (*task.test, *task.beyond)
    if not _are_the_rows(run, path):
        _refuse_test_items(tested, rows, path)
    return _without_held_out(run, tested, rows)


def token_rows(pairs: Sequence[TokenPair]) -> Dataset:
    """Pairs in the columns TRL's preference collators read."""
    return Dataset.from_list([asdict(pair) for pair in pairs])


def _simulate(run: TrainingRun, settings: PairSettings, chance: random.Random) -> list[TokenPair]:
    prompts = len(run.labels.train)
    generations = settings.pair_generations or tries_per_prompt(prompts)
    per_prompt = settings.pairs_per_prompt or max(4, 256 // prompts)
    generator = torch.Generator(run.policy.device).manual_seed(run.cell.seed_sampling)
    # Half of what the stage may spend is left to train on the pairs.
    until = (run.monitor.fraction + run.monitor.allowed) / 2
    by_prompt = attempt(run, run.labels.train, generations, generator=generator, until=until)
    run.monitor.compared([[t.reward for t in trajectories] for trajectories in by_prompt])
    run.monitor.prepared()
    pairs = []
    for trajectories in by_prompt:
        best = max(trajectory.reward for trajectory in trajectories)
        candidates = [t for t in trajectories if settings.chosen_from == "better" or t.reward == best]
        different = [(a, b) for a in candidates for b in trajectories if a.reward > b.reward]
        for better, worse in chance.sample(different, min(per_prompt, len(different))):
            if chance.random() < settings.noise_rate:
                better, worse = worse, better
            prompt = better.rollout.prompt_ids
            pairs.append(TokenPair(prompt, better.rollout.completion_ids, worse.rollout.completion_ids))
    chance.shuffle(pairs)
    return pairs


def _tokenise(policy: Policy, pair: Pair, *, cot: bool) -> TokenPair:
    prompt = policy.encode_prompt(policy.prompt_text(Example("pair", pair.prompt, ""), cot=cot))
    return TokenPair(
        prompt, completion_ids(policy, pair.chosen, cot=cot), completion_ids(policy, pair.rejected, cot=cot)
    )


def completion_ids(policy: Policy, text: str, *, cot: bool) -> list[int]:
    """Tokens of a completion of somebody's, ended."""
    opened = THINK if policy.thinking(cot=cot) == "open" else ""  # such a prompt ends in it already
    ids: list[int] = policy.tokenizer(text.removeprefix(opened), add_special_tokens=False)["input_ids"]
    return [*ids, int(policy.tokenizer.eos_token_id)]


def _refuse_test_items(tested: Sequence[Example], pairs: Sequence[Pair | Thumb], path: str) -> None:
    held_out = {normalise_prompt(example.prompt): example.id for example in tested}
    for pair in pairs:
        if twin := held_out.get(normalise_prompt(pair.prompt)):
            raise RftlabError(f"pairs file {path} holds the prompt of test item {twin}; remove it, or it would leak")


def _are_the_rows(run: TrainingRun, path: str) -> bool:
    """Whether the task reads its rows from the pairs' file, so that a share of its prompts is held out by design."""
    rows = str(run.cell.task_settings.get("path", ""))
    return bool(rows) and Path(rows).expanduser().resolve() == Path(path).expanduser().resolve()


def _without_held_out(run: TrainingRun, tested: Sequence[Example], pairs: list[_Row]) -> list[_Row]:
    """The pairs whose prompt is no test, development or validation item: these choose and judge its policies."""
    untested = list(unlike(pairs, tested))
    kept = list(unlike(untested, (*run.labels.development, *run.labels.validation)))
    if left_out := len(pairs) - len(untested):
        run.monitor.warn(f"{left_out} of {len(pairs)} pairs of its file have the prompt of a test item: left out")
    if left_out := len(untested) - len(kept):
        run.monitor.warn(
            f"{left_out} of {len(pairs)} pairs of its file have the prompt of a development or validation item: left "
            "out"
        )
    return kept
