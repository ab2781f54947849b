"""What the completions of a step were like, for its row of the trace: every method that samples has it."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rftlab.methods.core import alike
from rftlab.policy.rollout import Rollout

# Of each draw, so many are kept to be looked at.
_SAMPLES = 3


class Drawn:
    """Completions that were sampled, scored and compared since the last step.

    Attributes:
        samples: a few of the last that were scored, with their rewards; those of before until there are new ones.
    """

    def __init__(self, samples: Sequence[tuple[Rollout, float]] = ()) -> None:
        self.samples = list(samples)
        self._last: Sequence[Rollout] = ()
        self._lengths: list[int] = []
        self._cut = 0
        self._surprise = 0.0
        self._groups = self._alike = 0
        self._gaps, self._gap, self._largest_gap = 0, 0.0, 0.0
        self._parts: Counter[str] = Counter()
        self._scored: Counter[str] = Counter()
        self._reward, self._rewarded = 0.0, 0

    def sampled(self, rollouts: Sequence[Rollout]) -> None:
        """Add completions."""
        self._last = rollouts
        self._lengths += [len(rollout.completion_ids) for rollout in rollouts]
        self._cut += sum(rollout.truncated for rollout in rollouts)
        self._surprise -= sum(map(sum, (rollout.logprobs for rollout in rollouts)))

    def scored(self, rewards: Sequence[float], parts: Sequence[Mapping[str, float]]) -> None:
        """Add completions' rewards and their parts."""
        if rewards and len(rewards) == len(self._last):
            spread = range(0, len(rewards), -(-len(rewards) // _SAMPLES))
            self.samples = [(self._last[i], float(rewards[i])) for i in spread]
        self._reward, self._rewarded = self._reward + sum(rewards), self._rewarded + len(rewards)
        for each in parts:
            self._parts.update(each)
            self._scored.update(each.keys())

    @property
    def mean_reward(self) -> float | None:
        """Mean reward of the completions that were scored; None if none was."""
        return self._reward / self._rewarded if self._rewarded else None

    def compared(self, groups: Sequence[Sequence[float]]) -> None:
        """Add groups of rewards."""
        self._groups += len(groups)
        self._alike += sum(map(alike, groups))

    def held_against(self, tokens: int, gap: float, largest: float) -> None:
        """Add distances between the trainer's and the sampler's log-probabilities of tokens: their sum, the largest."""
        self._gaps += tokens
        self._gap += gap
        self._largest_gap = max(self._largest_gap, largest)

    def metrics(self) -> dict[str, float]:
        """Entries of the trace; none of what there was nothing of.

        train/part/NAME: mean of a part of the reward. train/entropy: nats per token, the mean of -log p over the tokens
        that were sampled, which estimates the entropy of the distribution they were drawn from. train/sampler_gap: mean
        distance between the trainer's and the sampler's log-probability of a token, in nats, and the largest.
        """
        found = {f"train/part/{name}": self._parts[name] / count for name, count in self._scored.items()}
        if self._lengths:
            found["train/completion_tokens"] = sum(self._lengths) / len(self._lengths)
            found["train/truncation_rate"] = self._cut / len(self._lengths)
            found["train/entropy"] = self._surprise / sum(self._lengths)
        if self._gaps:
            found["train/sampler_gap"] = self._gap / self._gaps
            found["train/sampler_gap_max"] = self._largest_gap
        if self._groups:
            found["train/zero_std_groups"] = self._alike / self._groups
        return found
