"""Methods that train nothing and change what stands before a question: examples from the label budget."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from rftlab.methods.base import Ladder, Settings, TrainingRun
from rftlab.policy.context import room_of
from rftlab.registry import METHODS
from rftlab.tasks.of_cell import require_rationales
from rftlab.tasks.shots import Choice, Shots

COUNTS = (1, 4, 16, 64)
"""Numbers of shots that are tried, and all there are labels and room for."""


class FewShotSettings(Settings):
    """Settings of `base-few-shot`."""

    shots: Annotated[int, Field(ge=1)] | Literal["tuned"] = Field(
        METHODS["base-few-shot"].shots,
        description="labelled examples put before every prompt (at most as many as labels and room); tuned: chosen on "
        "the labels, of 1, 4, 16, 64 and as many as fit",
    )
    # Deviation 1: the nearest are found by BM25, which takes no second model (Liu et al. 2021: by embeddings).
    choice: Literal["random", "nearest", "tuned"] = Field(
        "random", description="which: the first of the budget, or for each question the most alike (BM25); or tuned"
    )

    @property
    def fixed(self) -> tuple[int, Choice]:
        """Number and choice of the shots.

        Raises:
            ValueError: one of them is still to be chosen.
        """
        if self.shots == "tuned" or self.choice == "tuned":
            raise ValueError("shots or choice are still to be chosen")
        return self.shots, self.choice


class FewShot:
    """The untrained base, shown labels in its prompt."""

    Settings: ClassVar[type[Settings]] = FewShotSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Not of a paper: the sweep that a user without a GPU would make before training anything.
        "tuned": {"shots": "tuned", "choice": "tuned"},
    }
    # Nothing is trained; four entries, so that it can stand in a grid that asks for learning-rate trials.
    ladder = Ladder(lora=(0.0,) * 4, full=(0.0,) * 4)
    card = (
        "Idea: put labels into the prompt instead of into the weights (Brown et al. 2020, 2005.14165); the cheapest\n"
        "use of them.\n"
        "Objective: none: p(y | x_1, y_1, ..., x_k, y_k, x), the k shots (x_i, y_i) worked out before every prompt x.\n"
        "choice: nearest takes for each question the labels most like it by BM25, the most like one last (after Liu\n"
        "et al. 2021, 2101.06804, who take embeddings).\n"
        "Settings: shots = 4, choice = random. preset: tuned tries 1, 4, 16, 64 and as many as fit, at random and\n"
        "nearest: every label of the budget (50 at most) is asked after shots from the other four of five folds, and\n"
        "of what is right most often the one with the shortest prompts is taken. What was tried is in the record's\n"
        "tuning, its FLOPs in tuning_flops, what was chosen in its contract.\n"
        "When: beside every result with few labels, on models that read examples in their context; 100 labels in the\n"
        "prompt of a model with a long context are a real alternative to training.\n"
        "Costs: no training. Every answer reads the shots again: prompt_tokens and answer_flops of the record count\n"
        "them all, also where a server would keep what its prompts have in common.\n"
        "What goes wrong: a small base never trained on several examples in one context gets worse; where shots do\n"
        "not fit, fewer are shown, which the record says; on ten labels a choice is little more than chance."
    )

    def candidates(self, run: TrainingRun) -> list[FewShotSettings]:
        """What is tried on the labels, the fewest shots first; one where the settings leave nothing open."""
        settings: FewShotSettings = run.settings
        labels = len(run.labels.train)
        choices: tuple[Choice, ...] = ("random", "nearest") if settings.choice == "tuned" else (settings.choice,)
        if settings.shots == "tuned":
            most = max(1, fitting(run, labels))
            counts = sorted({min(count, most) for count in (*COUNTS, most)})
        else:
            counts = [settings.shots]
        # All labels, in whichever order, are tried once.
        tried = [(k, each) for k in counts for each in choices if k < labels or each == choices[0]]
        return [FewShotSettings(shots=count, choice=choice) for count, choice in tried]

    def train(self, run: TrainingRun) -> None:
        """Change the template; the weights stay as they are."""
        (count, choice), labels = run.settings.fixed, run.labels.train
        if run.cell.cot:
            require_rationales(labels, run.cell.method)
        if count > len(labels):
            run.monitor.warn(f"{count} shots were asked for, and there are {len(labels)} labels")
        asked = min(count, len(labels))
        if (fit := fitting(run, asked)) < asked:
            run.monitor.warn(
                f"{fit} of {asked} shots fit before the longest labelled prompt, with room for an answer, into the "
                f"{run.policy.context} tokens of the model: the others are left out"
            )
        run.policy.template = shots_before(run, count, choice)


def shots_before(run: TrainingRun, count: int, choice: Choice) -> Shots:
    """The policy's template with shots from the labels; those that it may have already are left out."""
    own = {"count": count, "choice": choice, "cot": run.cell.cot, "fits": room_of(run.policy, run.cell)}
    return Shots.of(run.policy.template, run.labels.train, **own)


def fitting(run: TrainingRun, count: int) -> int:
    """How many of the first ``count`` labels fit before the longest labelled prompt."""
    if not (labels := run.labels.train):
        return 0
    longest = max(labels, key=lambda example: len(example.prompt))
    return shots_before(run, count, "random").shown_before(longest, cot=run.cell.cot_eval)
