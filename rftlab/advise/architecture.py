"""Which base fits where, how it is trained there, and what that takes: said beside the study that settles a question.

Sizes come from the model's own shapes (`rftlab.experiment.architecture`, in a process of its own, because it imports
torch), sums from `rftlab.advise.memory`. A base is tried with the study's own settings first, then with fewer
completions a pass, which changes no update, then with smaller groups, which does; what it is then short of is said.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from rftlab.advise import memory
from rftlab.advise.bases import BASES, known
from rftlab.advise.hardware import Hardware
from rftlab.advise.memory import Estimate, estimate, told
from rftlab.advise.work import Device, Work, work_of
from rftlab.answer import published as by
from rftlab.cell import Cell
from rftlab.policy.anatomy import Anatomy
from rftlab.registry import METHODS, find, trains
from rftlab.user_code import child

AUTO = "auto"
"""As a model: the base that is advised."""

_METHODS = ("sft", "grpo")
_LIMIT_S = 900.0
# Without a task nothing tells how long texts are.
_ASSUMED = {"prompt": 256, "gold": 256, "mean": 192.0, "cap": 512, "pool": 100, "by": "assumed"}
# Where no smaller pass or group fits.
HELPS = "a smaller model, decoding.max_new_tokens or adapter.r (rftlab advise --model says what fits)"
# Smallest group whose rewards can still be compared.
_LEAST_GROUP = 4
# Tokens a second that two cores sampled of SmolLM2-135M; time goes with parameters.
_SAMPLED, _OF = 140.0, 134_515_008
# Bases that are too large are listed up to so many.
_SHOWN = 3
# A completion a second is what a study of some thousand completions can wait for.
_PATIENCE = 1.0

Overrides = Mapping[str, Mapping[str, Any]]


class Fit(NamedTuple):
    """A base on a machine.

    Attributes:
        anatomy: of the base and what is trained of it.
        kind: of the adapter, lora or full.
        settings: method -> settings that differ from the study's, so that it fits.
        estimates: method -> what it takes.
        passes: method -> completions of a forward and backward pass.
        recomputed: method -> what it would take with `gradient_checkpointing`, where it can.
        room: bytes that an estimate may fill.
    """

    anatomy: Anatomy
    kind: str
    settings: Overrides
    estimates: Mapping[str, Estimate]
    passes: Mapping[str, int]
    recomputed: Mapping[str, Estimate]
    room: float

    @property
    def method(self) -> str:
        """The one that takes most."""
        return max(self.estimates, key=lambda name: self.estimates[name].peak)

    @property
    def peak(self) -> float:
        """Most bytes of any of its methods."""
        return self.estimates[self.method].peak

    @property
    def fits(self) -> bool:
        """Whether all of them do."""
        return self.peak <= self.room


@dataclass(frozen=True)
class Architecture:
    """What is advised for a machine, a task and methods; `str` is for a terminal.

    Attributes:
        hardware: the machine.
        asked: the base somebody asked about; "" where one is to be found.
        fits: of each base that was counted, the smallest first.
        full: the same with all weights trained, with the smallest passes.
        lengths: of the task's texts, and what they were counted in.
        problem: why the base asked about could not be counted; "" where it was.
        cell: the parameters that were asked about.
    """

    hardware: Hardware
    asked: str
    fits: tuple[Fit, ...]
    full: tuple[Fit, ...]
    lengths: Mapping[str, Any]
    problem: str
    cell: Cell

    @property
    def advised(self) -> Fit | None:
        """The base asked about, if it fits; else, where none was asked about, the best that does; else None."""
        fitting = [fit for fit in self.fits if fit.fits]
        if self.asked:
            return next((fit for fit in fitting if fit.anatomy.name == self.asked), None)
        if self.hardware.kind == "cpu":  # where time is short before memory is
            quick = [fit for fit in fitting if self._completions(fit) >= _PATIENCE]
            fitting = quick or fitting[:1]
        return fitting[-1] if fitting else None

    @property
    def settings(self) -> Overrides:
        """Method -> what a grid has to set so that the advised base fits."""
        return self.advised.settings if self.advised else {}

    def _completions(self, fit: Fit) -> float:
        """Completions a second of two cores, roughly."""
        return _SAMPLED * _OF / fit.anatomy.parameters / max(1, self.lengths["cap"])

    def __str__(self) -> str:
        return "\n".join(line for part in (self._head, self._sizes, self._choice, self._short) for line in part())

    def _head(self) -> Iterator[str]:
        yield f"Architecture: {self.hardware}, of which an estimate may fill {told(self.hardware.room)}"
        counted = {"assumed": "assumed, as there is no task", "characters": "a token for every 3 characters"}
        found = self.lengths
        gold = f", labelled completions up to {found['gold']}" if found["gold"] else ""
        yield (
            f"  tokens: prompts up to {found['prompt']}{gold}, sampled completions up to {found['cap']} "
            f"({counted.get(found['by'], 'counted by its tokenizer')})"
        )
        if self.problem:
            yield f"  {self.problem}"

    def _sizes(self) -> Iterator[str]:
        short = [fit for fit in self.fits if not fit.fits and fit.anatomy.name != self.asked]
        for fit, whole in zip(self.fits, self.full, strict=True):
            if fit in short[_SHOWN:]:
                continue
            what = _passes(fit) if fit.fits else f"short of {told(fit.peak - fit.room)}"
            all_weights = "all weights fit too" if whole.fits else f"all weights would take {told(whole.peak)}"
            yield (
                f"  {'fits' if fit.fits else 'no  '} {fit.anatomy.name} ({_count(fit.anatomy.parameters)}): "
                f"{told(fit.peak)} by {fit.method}, {what}; {all_weights}"
            )

        if more := short[_SHOWN:]:
            yield f"  no   {len(more)} larger ones, {more[0].anatomy.name} to {more[-1].anatomy.name}"

    def _choice(self) -> Iterator[str]:
        fit = self.advised
        if fit is None:
            return
        yield f"Advised: {fit.anatomy.name}"
        for line in (*_terms(fit.anatomy.name), *self._adapter(fit), *self._numbers(fit), *self._devices(fit)):
            yield f"  {line}"

    def _adapter(self, fit: Fit) -> Iterator[str]:
        adapter = self.cell.adapter
        if fit.kind == "full":
            yield "all weights are trained, in fp32, with AdamW's two moments"
            return
        number = "bf16" if self.hardware.kind == "gpu" else "fp32"
        yield (
            f"adapter: LoRA, rank {adapter.r}, alpha {adapter.alpha}, {adapter.target_modules}: "
            f"{_count(fit.anatomy.adapter)} weights in fp32 on a base in {number}"
        )
        yield f"  {by.WITHOUT_REGRET}"
        yield f"  {by.ALL_LINEAR}"

    def _numbers(self, fit: Fit) -> Iterator[str]:
        found = fit.estimates[fit.method]
        yield f"memory of {fit.method}, {told(found.peak)}: {', '.join(memory.lines(found))}"
        yield f"its largest step is the {found.bound}; {_passes(fit)}"
        for method, settings in fit.settings.items():
            yield f"{method}: {_said(settings)}, so that it fits"
        if again := fit.recomputed.get(fit.method):
            yield f"gradient_checkpointing: true would take {told(again.peak)}: the same update, slower"
        yield "sampler: rftlab's own, in the same process, on the weights that are trained"

    def _devices(self, fit: Fit) -> Iterator[str]:
        if self.hardware.kind == "cpu":
            many = max(1, int(self.hardware.room // fit.peak))
            yield (
                f"a cell takes one process; memory would hold {many} at once (--workers), cores decide; two cores "
                f"sample about {_roughly(self._completions(fit))} completions a second, and rftlab plan measures it"
            )
        elif self.hardware.devices > 1:
            devices, several = self.hardware.devices, f"--executor ray --gpus 1 --workers {self.hardware.devices}"
            yield f"{devices} devices run as many cells at once (rftlab run GRID {several}), or one (processes)"
        else:
            yield "one device: a cell runs on one, and further ones run further cells (--executor ray --gpus 1)"
        if self.hardware.kind == "gpu":
            yield "worked out, not measured: no GPU has been held against these estimates (docs/architecture.md)"

    def _short(self) -> Iterator[str]:
        if self.advised is not None:
            return
        fitting = [fit.anatomy.name for fit in self.fits if fit.fits]
        asked = next((fit for fit in self.fits if fit.anatomy.name == self.asked), None)
        if asked is not None:
            yield (
                f"Does not fit: {self.asked} would take {told(asked.peak)}, {told(asked.peak - asked.room)} more than "
                f"there is room for; {', '.join(memory.lines(asked.estimates[asked.method]))}"
            )
            if asked.estimates[asked.method].bound == "evaluation":
                yield "Its evaluation takes most: ask fewer at once (evaluation.test_items, evaluation.samples)"
        if fitting:
            yield f"What fits: {', '.join(reversed(fitting))}"
        else:
            yield "No base of the table fits; give more memory, or shorter completions (decoding.max_new_tokens)"


def architecture(
    hardware: Hardware,
    *,
    model: str = "",
    values: Mapping[str, Any] | None = None,
    methods: Sequence[str] = (),
    limit: float = child.LIMIT_S,
) -> Architecture:
    """What fits.

    Args:
        hardware: the machine.
        model: the base asked about; empty or `auto` ranks those of the table.
        values: how a grid names the task, files by whole paths; None assumes lengths.
        methods: the study's; those that train count, and without any sft and grpo.
        limit: seconds each step in a user's code may take.

    Raises:
        RftlabError: the task or a method cannot be loaded.
    """
    asked = "" if model == AUTO else model
    trained = [name for name in methods if trains(name)] or list(_METHODS)
    # What a grid sweeps, and what it says of itself, is no cell's.
    one = {
        k: v for k, v in (values or {}).items() if k.partition(".")[0] in Cell.model_fields and not isinstance(v, list)
    }
    cell = Cell.make({**one, "model": asked or AUTO})
    texts = [cell] if values is not None else []
    counting = _Counting(hardware, cell, trained, limit)
    models = [asked] if asked else [base.id for base in BASES]
    fits, full, problem, lengths = counting.of(models, texts=texts, lengths=_ASSUMED)
    if asked and not any(fit.fits for fit in fits):
        others = [base.id for base in BASES if base is not known(asked)]
        more, wholes, _, _ = counting.of(others, lengths=lengths)
        fits, full = [*fits, *more], [*full, *wholes]
    order = sorted(range(len(fits)), key=lambda i: fits[i].anatomy.parameters)
    return Architecture(
        hardware, asked, tuple(fits[i] for i in order), tuple(full[i] for i in order), lengths, problem, cell
    )


def counted(
    hardware: Hardware,
    cells: Sequence[Cell],
    methods: Sequence[Mapping[str, Any]],
    texts: Sequence[Cell],
    *,
    configs: Mapping[str, Any] = MappingProxyType({}),
    limit: float = 0.0,
) -> dict[str, Any]:
    """Anatomies, settings and lengths on a machine, as `rftlab.experiment.architecture.read` takes and gives them.

    Args:
        hardware: the machine.
        cells: to be counted.
        methods: method, preset and settings of each.
        texts: cells whose task's texts are measured.
        configs: of models that nobody shall be asked for.
        limit: seconds each step in a user's code may take, if more than a quarter of an hour.

    Raises:
        RftlabError: a task or a method cannot be loaded.
    """
    request = {
        "cells": [cell.model_dump(mode="json") for cell in cells], "half": hardware.kind == "gpu",
        "configs": dict(configs), "methods": list(methods), "texts": [cell.model_dump(mode="json") for cell in texts],
    }  # fmt: skip
    found: dict[str, Any] = child.call("rftlab.experiment.architecture:read", request, limit=max(_LIMIT_S, limit))
    return found


class _Counting:
    """Bases, counted and tried on one machine with one study's methods."""

    def __init__(self, hardware: Hardware, cell: Cell, methods: Sequence[str], limit: float) -> None:
        self._hardware, self._cell, self._methods, self._limit = hardware, cell, methods, limit

    def of(
        self, models: Sequence[str], *, lengths: Mapping[str, Any], texts: Sequence[Cell] = ()
    ) -> tuple[list[Fit], list[Fit], str, Mapping[str, Any]]:
        """As the cell adapts them, with all weights trained, why some could not be counted, and lengths of texts."""
        kinds = (self._cell.adapter.kind, "full")
        cells = [Cell.make({**self._cell.flat(), "model": m, "adapter.kind": kind}) for m in models for kind in kinds]
        methods = [{"method": name, "preset": "", "settings": {}} for name in self._methods]
        configs = {model: base.config for model in models if (base := known(model))}
        read = counted(self._hardware, cells, methods, texts, configs=configs, limit=self._limit)
        lengths = read["lengths"][0] if read["lengths"] else lengths
        settings = dict(zip(self._methods, read["settings"], strict=True))
        found = [each for each in read["anatomies"] if not isinstance(each, str)]
        problems = [each for each in read["anatomies"] if isinstance(each, str)]
        fits = [self._fit(Anatomy(**each), settings, work_of(self._cell, lengths)) for each in found]
        return fits[::2], fits[1::2], problems[0] if problems else "", lengths

    def _fit(self, anatomy: Anatomy, settings: Mapping[str, Mapping[str, Any]], work: Work) -> Fit:
        device, room = Device.of(self._hardware.kind), self._hardware.room
        found = {name: first_that_fits(anatomy, name, own, work, device, room) for name, own in settings.items()}
        again = work._replace(recomputes=True)
        able = {name: own for name, own in settings.items() if find(METHODS, name, "method")[0].recomputes}
        return Fit(
            anatomy,
            "lora" if anatomy.adapter else "full",
            {name: own for name, (own, _, _) in found.items() if own},
            {name: size for name, (_, size, _) in found.items()},
            {name: passes for name, (_, _, passes) in found.items()},
            {name: first_that_fits(anatomy, name, own, again, device, room)[1] for name, own in able.items()},
            room,
        )


def first_that_fits(
    anatomy: Anatomy, method: str, settings: Mapping[str, Any], work: Work, device: Device, room: float
) -> tuple[dict[str, Any], Estimate, int]:
    """Settings to change, the estimate with them, completions a pass; where none fits those that take least."""
    if stages := settings.get("stages"):
        each = [first_that_fits(anatomy, s["method"], s["settings"], work, device, room)[0] for s in stages]
        own = {
            "stages": [
                {"method": s["method"], "share": s["share"], "settings": e} for s, e in zip(stages, each, strict=True)
            ]
        }
        whole = {"stages": [{**s, "settings": {**s["settings"], **e}} for s, e in zip(stages, each, strict=True)]}
        return own if any(each) else {}, estimate(anatomy, method, whole, work, device), _pass_of(whole)
    tried = [(estimate(anatomy, method, {**settings, **own}, work, device), own) for own in _smaller(method, settings)]
    size, own = next((t for t in tried if t[0].peak <= room), min(tried, key=lambda t: t[0].peak))
    return own, size, _pass_of({**settings, **own})


def _smaller(method: str, settings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Settings to change: none, then for fewer completions a pass, then for smaller groups."""
    yield {}
    size, group = settings.get(_PASS, 0), settings.get("num_generations", 0)
    changed: dict[str, Any] = {}
    while method in _SAME_UPDATE and size > 1:
        size //= 2
        changed = {_PASS: size}
        if "gradient_accumulation_steps" in settings:
            changed["gradient_accumulation_steps"] = settings["gradient_accumulation_steps"] * settings[_PASS] // size
        yield changed
    while group // 2 >= _LEAST_GROUP:
        group //= 2
        changed = {**changed, "num_generations": group}
        yield changed


def _pass_of(settings: Mapping[str, Any]) -> int:
    """Completions of a pass; of stages the most."""
    if stages := settings.get("stages"):
        return max(_pass_of(stage["settings"]) for stage in stages)
    return int(settings.get(_PASS) or settings.get("batch_size") or 0)


_PASS = "per_device_train_batch_size"
# Methods whose update is the same in however many passes it is made.
_SAME_UPDATE = frozenset({
    "sft", "rejection_sft", "grpo", "grpo-random", "grpo-format", "rloo", "chord", "hpt", "interleaved", "ppo", "trpo",
    "acer", "rlhf", "distill", "distill-offline", "sdft", "sdpo", "sft-matched-rollouts",
})  # fmt: skip


def _said(settings: Mapping[str, Any]) -> str:
    if stages := settings.get("stages"):
        return "; ".join(f"{stage['method']} {_said(stage['settings'])}" for stage in stages if stage["settings"])
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _passes(fit: Fit) -> str:
    return f"passes of {fit.passes[fit.method]} completions"


def _terms(name: str) -> Iterator[str]:
    if base := known(name):
        yield f"licence: {base.terms}"


def _count(parameters: float) -> str:
    if parameters >= 9.995e8:
        return f"{parameters / 1e9:.2f} B"
    return f"{parameters / 1e6:.0f} M" if parameters >= 9.5e6 else f"{parameters / 1e6:.1g} M"


def _roughly(value: float) -> str:
    return f"{value:.2g}" if value < 100 else f"{float(f'{value:.2g}'):,.0f}"
