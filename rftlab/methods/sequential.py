"""Hybrids in sequence: one method after the other on the same adapter, each with its share of the budget."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import Field

from rftlab.errors import RftlabError
from rftlab.methods.base import Ladder, Settings, TrainingRun, TrainingStage, load_method, make_settings


class Stage(Settings):
    """One stage of a sequence."""

    method: str = Field(min_length=1, description="registered method")
    share: float = Field(gt=0, le=1, description="share of the whole compute budget")
    learning_rate: float | None = Field(None, gt=0, description="None leaves it to the cell's learning_rates")
    preset: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)


class SequenceSettings(Settings):
    """Settings of a sequence: its stages, in order; the last one takes what is left of the budget."""

    stages: tuple[Stage, ...] = Field(
        (Stage(method="sft", share=0.25), Stage(method="grpo", share=0.75)), min_length=1, strict=False
    )

    @property
    def also_taught_by(self) -> tuple[str, ...]:
        """What its stages are."""
        return tuple(dict.fromkeys(what for _, settings in self.made for what in settings.also_taught_by))

    @property
    def made(self) -> list[tuple[str, Settings]]:
        """Each stage's method and its settings."""
        return [(s.method, make_settings(load_method(s.method), s.method, s.preset, s.settings)) for s in self.stages]


class SFTThenGRPO:
    """SFT, then GRPO from that adapter; `settings.stages` makes it any other sequence."""

    Settings: ClassVar[type[Settings]] = SequenceSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    ladder = Ladder(lora=(5e-4, 2e-4, 1e-3, 1e-4), full=(1e-4, 3e-5, 3e-4, 1e-5))
    card = (
        "Idea: SFT first shows the policy what a good completion looks like, GRPO then sharpens what it can do.\n"
        "Objective: that of each stage, on one adapter, one after the other; the optimiser starts anew.\n"
        "Settings: stages = [{method, share, learning_rate, preset, settings}]; default sft 25 %, grpo 75 % of the\n"
        "budget. Each stage has a learning rate of its own; a trial in the cell moves that of the last one alone.\n"
        "Costs: those of its stages.\n"
        "When: there are some labels and a verifier, and the base rarely succeeds (GRPO alone sees no reward).\n"
        "What goes wrong: too long an SFT stage leaves no entropy to explore with (train/zero_std_groups near 1); a\n"
        "budget so small that one step of a stage ends it leaves no step to the next: the record's warnings say so."
    )

    def stages(self, settings: SequenceSettings) -> tuple[TrainingStage, ...]:
        """Those whose rate the settings do not give; the last one has this method's ladder."""
        last = settings.stages[-1]
        return tuple(
            TrainingStage(stage.method, self.ladder if stage is last else load_method(stage.method).ladder)
            for stage in settings.stages
            if stage.learning_rate is None
        )

    def train(self, run: TrainingRun) -> None:
        """Run the stages in order, each up to its share of the budget."""
        settings: SequenceSettings = run.settings
        rates = iter(run.learning_rates)
        spent = 0.0
        for number, stage in enumerate(settings.stages):
            last = number == len(settings.stages) - 1
            method = load_method(stage.method)
            if isinstance(method, SFTThenGRPO):
                raise RftlabError("a stage of a sequence cannot be a sequence itself; list its stages instead")
            rate = next(rates) if stage.learning_rate is None else stage.learning_rate
            spent += stage.share
            run.monitor.limit(1.0 if last else spent)
            before = run.monitor.cost.optimizer_steps
            if not run.monitor.exhausted:
                stage_settings = make_settings(method, stage.method, stage.preset, stage.settings)
                method.train(replace(run, settings=stage_settings, learning_rates=(rate,)))
            if run.monitor.cost.optimizer_steps == before:
                run.monitor.warn(
                    f"stage {number + 1} of {run.cell.method}, {stage.method}, took no step: "
                    + ("nothing was left of its share of the budget" if run.monitor.exhausted else "it found nothing")
                    + "; what is measured here is the other stages"
                )
