"""Several verifiers as one reward: a weighted mean, scaled by penalties, every component logged by itself."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rftlab.errors import RftlabError
from rftlab.verifiers.base import Gold, Score, Verifier, extract_answer, make_verifier
from rftlab.verifiers.parts import Format

_KEYS = {"verifier", "name", "weight", "penalty", "settings"}


class Component(NamedTuple):
    """One verifier of a rubric and what it counts for."""

    name: str
    verifier: Verifier
    weight: float
    penalty: float


class Rubric(Verifier):
    """Weighted mean of the components' rewards, times 1 - penalty * (1 - reward) for each component with a penalty.

    A component is a mapping with `verifier` (registered name or path.py:function) and optionally `name` (its key in
    `Score.parts`), `settings`, `weight` (1 unless there is a penalty) and `penalty` in [0, 1]: 1 makes the component a
    condition, 0.2 takes away at most a fifth. Without an answer the reward is 0, so that a completion cannot live on
    being short.

    Args:
        components: at least one with a weight.
        **settings: see `Verifier`; every component gets the same ``answer_format``.

    Raises:
        RftlabError: no component with a weight, an unknown key or verifier, two components of one name, a weight
            below 0 or a penalty outside [0, 1].
    """

    def __init__(self, *, components: Sequence[Mapping[str, Any]] = (), **settings: Any) -> None:
        super().__init__(**settings)
        self._components = [self._component(dict(given)) for given in components]
        names = [component.name for component in self._components]
        taken = [
            c.name
            for c in self._components
            if c.name == "correct" or (c.name == "format" and not isinstance(c.verifier, Format))
        ]
        if len(set(names)) < len(names) or taken:
            raise RftlabError(
                f"rubric: components named {', '.join(names)}; give each a name of its own, and none 'correct'"
            )
        self._total = sum(component.weight for component in self._components)
        if self._total <= 0:
            raise RftlabError(
                "rubric: no component with a weight above 0; list some under verifier_settings.components"
            )
        self.graded = any(component.verifier.graded for component in self._components)
        self.needs_gold = any(component.verifier.needs_gold for component in self._components)

    @property
    def isolation(self) -> str | None:  # type: ignore[override]
        """Level of isolation of the first component that runs code, None if none does."""
        levels = [component.verifier.isolation for component in self._components]
        return next((level for level in levels if level), None)

    def score(self, completions: Sequence[str], examples: Sequence[Gold]) -> list[Score]:
        """Scores, one per completion; parts hold each component's reward under its name."""
        columns = [component.verifier.score(completions, examples) for component in self._components]
        return [self._total_of(c, [column[i] for column in columns]) for i, c in enumerate(completions)]

    def _component(self, given: dict[str, Any]) -> Component:
        unknown = sorted(set(given) - _KEYS)
        if unknown or "verifier" not in given:
            raise RftlabError(
                f"rubric: a component has {unknown[0]!r}" if unknown else "rubric: a component names no verifier"
            )
        verifier = make_verifier(given["verifier"], answer_format=self.answer_format, settings=given.get("settings"))
        penalty = float(given.get("penalty", 0.0))
        weight = float(given.get("weight", 0.0 if penalty else 1.0))
        if not (0 <= weight < float("inf") and 0 <= penalty <= 1):
            raise RftlabError(
                f"rubric: {given['verifier']}: weight={weight}, penalty={penalty}; give weight >= 0, 0 <= penalty <= 1"
            )
        return Component(str(given.get("name", given["verifier"])), verifier, weight, penalty)

    def _total_of(self, completion: str, scores: Sequence[Score]) -> Score:
        extraction = extract_answer(completion)
        counts = extraction.text is not None and (extraction.format_ok or self.answer_format == "lenient")
        reward, correct = (
            self._weigh(values) for values in zip(*((s.reward, s.parts["correct"]) for s in scores), strict=True)
        )
        parts = {"correct": correct if extraction.text is not None else 0.0, "format": float(extraction.format_ok)}
        for component, score in zip(self._components, scores, strict=True):
            parts[component.name] = score.reward
            parts |= {f"{component.name}.{k}": v for k, v in score.parts.items() if k not in ("correct", "format")}
        failed = max(score.parts.get("verifier_error", 0.0) for score in scores)
        parts |= {"verifier_error": failed} if failed else {}
        named = zip(self._components, scores, strict=True)
        detail = "; ".join(f"{component.name}: {score.detail}" for component, score in named if score.detail)
        return Score(reward if counts else 0.0, parts, extraction.text, extraction.format_ok, detail)

    def _weigh(self, values: Sequence[float]) -> float:
        pairs = list(zip(self._components, values, strict=True))
        result = sum(component.weight * value for component, value in pairs) / self._total
        for component, value in pairs:
            result *= 1 - component.penalty * (1 - value)
        return min(1.0, max(0.0, result))
