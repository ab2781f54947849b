"""What must match between runs that are compared: every field, the group it is in, and what a cell alone says of it.

A record's contract is written when its run ends, in three parts: `match` (must match between methods at one seed; it
is what is hashed), `arm` (must match too, but follows from the method) and `shown` (may differ, and is then said). A
field that does not apply to a run, such as the labels of an untrained base, says `NA` and matches anything; one that is
missing is unknown, and refuses. `rftlab.answer.contracts` compares.
"""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Literal, NamedTuple

from rftlab.cell import Cell
from rftlab.registry import METHODS, find

VERSION = 2
NA = "n/a"
ONE_SPLIT = "one split"
GIVEN, OWN = "given", "the method's own"
AXES: tuple["Axis", ...] = (
    "method",
    "labels",
    "cot",
    "cot_eval",
    "adapter",
    "rule",
    "wording",
    "prompts",
    "shots",
    "seed",
)
"""What a comparison may vary: `rule` is that of the task, `wording` the words around prompts, `prompts` how many there
are without labels, and `seed` what a mean is taken over."""

SEEDS = ("seed", "seed_data", "seed_init", "seed_sampling")
"""The parameters of a cell that are, together, its seed: runs are paired, and counted, by all four."""
SEEDS_OF_SAMPLING = ("seed", "seed_sampling")
"""Those that an untrained run has too."""

Axis = Literal["method", "labels", "cot", "cot_eval", "adapter", "rule", "wording", "prompts", "shots", "seed"]


class Field(NamedTuple):
    """One field of the contract.

    Attributes:
        group: match (or the comparison is refused), show (a difference is said) or free.
        topic: what it belongs to, in the sentence "Every method had the same ...".
        what: in words.
        cell: the parameters of a cell that it carries.
        axes: axes of comparison along which it may differ, because it follows from them.
    """

    group: Literal["match", "show", "free"]
    topic: str
    what: str
    cell: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()


def _match(topic: str, what: str, *cell: str, axes: tuple[Axis, ...] = ()) -> Field:
    return Field("match", topic, what, cell, axes)


_ADAPTER = tuple(f"adapter.{name}" for name in ("kind", "r", "alpha", "dropout", "target_modules"))
_CAPS = ("decoding.max_new_tokens", "decoding.max_new_tokens_direct")

FIELDS: Mapping[str, Field] = {
    "seed": _match("seeds", "the seed runs are paired by", "seed", axes=("seed",)),
    "seed_data": _match("seeds", "how the seed of the labels derives from it", "seed_data", axes=("seed",)),
    "seed_init": _match("seeds", "how the adapter's initial weights derive from it", "seed_init", axes=("seed",)),
    "seed_sampling": _match("seeds", "how the seed of sampling derives from it", "seed_sampling", axes=("seed",)),
    "base_weights": _match("base", "every weight file of the base"),
    "base_config": _match("base", "its configuration"),
    "generation_config": _match("base", "its generation settings"),
    "tokenizer": _match("base", "its tokenizer"),
    "precision": _match(
        "base", "the number format of its weights and products", "precision", "quantization", axes=("adapter",)
    ),
    "start_from": _match("base", "the kept policy that training goes on from", "start_from", "started_by"),
    "started_policy": _match("base", "that policy itself, where each seed has one of its own", axes=("seed",)),
    "chat_template": _match("prompts", "the chat template", axes=("wording",)),
    "template": _match("prompts", "the words around prompt and answer", "template", axes=("wording",)),
    "system": _match("prompts", "the system message", "system", axes=("wording",)),
    "thinking": _match(
        "prompts", "whether the chat template opens a thought, and is told", axes=("cot", "cot_eval", "wording")
    ),
    "cot": _match("prompts", "chain-of-thought in training", "cot", axes=("cot",)),
    "cot_eval": _match("prompts", "chain-of-thought when asked", "cot_eval", axes=("cot", "cot_eval")),
    "labels": _match("labels", "the label budget", "labels", axes=("labels",)),
    "label_ids": _match("labels", "the labelled examples", axes=("labels", "rule", "seed")),
    "label_noise": _match("labels", "the share of them that is wrong on purpose", "label_noise"),
    "label_difficulty": _match("labels", "how hard they are for the base", "label_difficulty"),
    "prompts": _match("labels", "prompts without labels that it trains on", "prompts", axes=("prompts", "method")),
    "prompt_ids": _match("labels", "which those are", axes=("prompts", "method", "labels", "rule", "seed")),
    "train_pool": _match("labels", "the pool that labels are drawn from", axes=("rule",)),
    "development": _match("labels", "where development items come from", "development"),
    "development_items": _match("labels", "the development items", "evaluation.along_items", axes=("rule", "seed")),
    "adapter": _match("adapter", "what is trained", *_ADAPTER, axes=("adapter",)),
    "budget_unit": _match("budget", "the unit of the compute budget", "budget.unit"),
    "budget_amount": _match("budget", "the compute budget", "budget.amount"),
    "spent": _match("budget", "what was spent of it, within 5 %; not where each arm was trained to its plateau"),
    "budget_until": _match("budget", "whether it is spent, or is the cap of training to a plateau", "budget.until"),
    "budget_patience": _match("stopping rule", "evaluations without a gain that are a plateau", "budget.patience"),
    "along_the_way": _match("stopping rule", "evaluations that it is seen in", "evaluation.along_the_way"),
    "tuning_trials": _match("tuning", "learning rates tried", "tuning.trials"),
    "tuning_ladder": _match("tuning", "who chose the learning rates", "tuning.learning_rates"),
    "tuning_stage": _match("tuning", "what the stage that chose them looked at", "tuned_by", axes=("labels",)),
    "trial_share": _match("tuning", "the share of the budget a trial may use", "tuning.trial_share"),
    "validation_share": _match("tuning", "the share of the labels held out for trials", "tuning.validation_share"),
    "tuning_rates": _match("tuning", "the learning rates themselves", "learning_rates", axes=("method", "adapter")),
    "temperature": _match("decoding", "the sampling temperature", "decoding.temperature"),
    "top_p": _match("decoding", "the nucleus", "decoding.top_p"),
    "token_cap": _match(
        "decoding", "the cap on a completion when asked", *_CAPS, axes=("cot", "cot_eval", "wording", "rule")
    ),
    "token_cap_training": _match("decoding", "the cap in training", axes=("cot", "wording", "rule")),
    "verifier": _match("verifier", "the verifier", "verifier", axes=("rule",)),
    "verifier_settings": _match("verifier", "its settings and the task's", "verifier_settings", axes=("rule",)),
    "verifier_code": _match("verifier", "its code", axes=("rule",)),
    "answer_format": _match("verifier", "which answers count", "answer_format"),
    "decides": _match("verifier", "whether accuracy or score decides", "evaluation.decides"),
    "apart": _match(
        "verifier",
        "the verifier apart from the reward",
        "evaluation.verifier",
        "evaluation.verifier_settings",
        axes=("rule",),
    ),
    "apart_code": _match("verifier", "its code, apart from the reward", axes=("rule",)),
    "scored": _match("held-out items", "which part is scored", "evaluation.part"),
    "folds": _match("held-out items", "whether every seed is tested on another fold of the same rows"),
    "fold": _match("held-out items", "the fold that a seed is tested on", axes=("rule", "seed")),
    "test_items": _match("held-out items", "the test items", "evaluation.test_items", axes=("rule",)),
    "ood_items": _match("held-out items", "the out-of-distribution items", "evaluation.ood_items", axes=("rule",)),
    "sampled_items": _match("held-out items", "the sampled items", "evaluation.sampled_items", axes=("rule",)),
    "samples": _match("held-out items", "the samples of each", "evaluation.samples"),
    "retention_items": _match(
        "held-out items",
        "the items of tasks not trained on",
        "evaluation.retention",
        "evaluation.retention_items",
        axes=("rule",),
    ),
    "train_items": _match("held-out items", "how many labels train accuracy is of", "evaluation.train_items"),
    "method": _match("method", "the method", "method", axes=("method",)),
    "preset": _match("method", "its preset", "preset", axes=("method", "shots")),
    "settings": _match("method", "its settings", "settings", axes=("method", "shots")),
    "curriculum": _match("method", "the order in which prompts come", "curriculum", axes=("method",)),
    "chosen": _match("method", "the settings that it chose on its labels", axes=AXES),
    "method_code": _match("method", "its code", axes=("method",)),
    "notebook": _match("notebook", "the code of the notebook that ran it"),
    "batch": Field("show", "machine", "examples and completions per optimiser step"),
    "teacher": Field(
        "show", "labels", "the teacher it learns from, with the labels and FLOPs that one was trained with"
    ),
    "git_commit": Field("show", "machine", "the commit of rftlab"),
    "python": Field("show", "machine", "the version of Python"),
    "libraries": Field("show", "machine", "library versions"),
    "platform": Field("show", "machine", "the operating system"),
    "cpu_count": Field("show", "machine", "processor cores"),
    "threads": Field("show", "machine", "compute threads"),
    "gpu": Field("show", "machine", "the GPU"),
    "processes": Field("show", "machine", "processes that trained it together", ("processes",)),
    "sandbox": Field("show", "machine", "how far code that a model wrote is isolated"),
    "task": Field("free", "names", "the task's name and settings: its items decide", ("task", "task_settings")),
    "model": Field("free", "names", "where the base lies: its files decide", ("model",)),
    "device": Field("free", "names", "where it is run: the GPU is shown", ("device",)),
    "gradient_checkpointing": Field(
        "free", "names", "whether activations are computed again: the update is the same", ("gradient_checkpointing",)
    ),
    "marks": Field("free", "looks", "FLOP marks, which training does not see", ("evaluation.marks",)),
    "pass_rates_path": Field(
        "free", "names", "where pass rates are: the labels drawn by them decide", ("pass_rates_path",)
    ),
    "digests": Field("free", "names", "the digests of your files, carried by the fields above", ("digests",)),
}
"""Every field of the contract and every parameter of a cell, each in exactly one group."""

CAME_LATER: Mapping[str, Any] = {
    "label_noise": 0.0,
    "label_difficulty": "any",
    "curriculum": "none",
    "prompts": 0,
    "prompt_ids": NA,
    "budget_until": "spent",
    "budget_patience": NA,
    "along_the_way": NA,
    "tuning_stage": NA,
}
"""Fields that the first records of this version lack, and what was so of every trained run of then."""

ARM = tuple(name for name, field in FIELDS.items() if field.group == "match" and "method" in field.axes)
"""Fields that must match but follow from the method."""


NOT_ASKED: Mapping[str, Any] = {
    "decides": "accuracy",
    "apart": NA,
    "apart_code": NA,
    "retention_items": NA,
    "scored": "test",
    "started_policy": NA,
    "folds": ONE_SPLIT,
    "fold": NA,
    "chosen": NA,
}
"""What records written before there was a field are taken to say of it; what they did not measure matches anything."""


def grouped(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A record's contract from its fields, in the three parts that are written."""
    parts: dict[str, Any] = {"version": VERSION, "match": {}, "arm": {}, "shown": {}}
    for name, value in fields.items():
        part = "shown" if FIELDS[name].group == "show" else "arm" if name in ARM else "match"
        parts[part][name] = value
    return parts


class Applies(NamedTuple):
    """What applies to a method: a label budget, and training."""

    labels: bool
    training: bool

    @classmethod
    def to(cls, method: str) -> "Applies":
        """To a registered method, or to one of the user's own, which has both."""
        entry = METHODS.get(method)
        return cls(entry is None or entry.uses_labels, entry is None or (entry.uses_labels and entry.trains))


def idle(cell: Cell) -> bool:
    """Whether a cell's method would train, and has neither labels nor prompts that it can train on."""
    method, _ = find(METHODS, cell.method, "method")
    return method.uses_labels and not cell.labels and not (cell.prompts and method.prompts == "alone")


def of_cell(cell: Cell) -> dict[str, Any]:
    """The fields that a cell's parameters decide alone, by name."""
    applies = Applies.to(cell.method)
    parent = f"{PurePath(cell.start_from).name} {cell.digests.get('start_from', '')}".strip() or "the base"
    adapter = cell.adapter.model_dump(mode="json") if cell.adapter.kind == "lora" else {"kind": cell.adapter.kind}
    if_labelled = {
        "seed_data": cell.seed_data - cell.seed,
        "cot": cell.cot,
        "labels": cell.labels,
        "label_noise": cell.label_noise,
        "label_difficulty": cell.label_difficulty,
        "development": cell.development,
        "train_items": cell.evaluation.train_items,
    }
    if_trained = {
        "seed_init": cell.seed_init - cell.seed,
        "start_from": cell.started_by or parent,
        "started_policy": parent if cell.started_by else NA,
        "adapter": adapter,
        "curriculum": cell.curriculum,
        "budget_unit": cell.budget.unit,
        "budget_amount": cell.budget.amount,
        "budget_until": cell.budget.until,
        "tuning_trials": cell.tuning.trials,
        "tuning_ladder": _chosen_by(cell),
        "tuning_stage": cell.tuned_by.rpartition(", ")[0] or NA,  # without the digest of what it found
    }
    if_to_its_plateau = {
        "budget_patience": cell.budget.patience,
        "along_the_way": cell.evaluation.along_the_way,
    }
    if_tuned = {"trial_share": cell.tuning.trial_share, "validation_share": cell.tuning.validation_share}
    return {
        "seed": cell.seed,
        "seed_sampling": cell.seed_sampling - cell.seed,
        "system": cell.system,
        "cot_eval": cell.cot_eval,
        "temperature": cell.decoding.temperature,
        "top_p": cell.decoding.top_p,
        "answer_format": cell.answer_format,
        "decides": cell.evaluation.decides,
        "scored": cell.evaluation.part,
        "samples": cell.evaluation.samples if cell.evaluation.sampled_items else NA,
        "method": cell.method,
        "preset": cell.preset,
        "settings": cell.settings,
        **when(applies.labels, if_labelled),
        **when(applies.training, if_trained),
        **when(applies.training and cell.budget.until == "plateau", if_to_its_plateau),
        **when(applies.training and cell.tuning.trials > 1, if_tuned),
    }


def stages_given(settings: Mapping[str, Any]) -> bool:
    """Whether a cell's settings are of stages, and give each of them a learning rate."""
    stages = settings.get("stages")
    rates = [isinstance(s, Mapping) and s.get("learning_rate") for s in stages] if isinstance(stages, list) else []
    return bool(rates) and all(rates)


def rates_given(cell: Cell) -> bool:
    """Whether its user gave a cell its learning rates: as such, as a ladder, or one for each of its stages."""
    return bool(cell.learning_rates or cell.tuning.learning_rates) or stages_given(cell.settings)


def _chosen_by(cell: Cell) -> str:
    if cell.tuned_by:
        return "a tuning stage"
    return GIVEN if rates_given(cell) else OWN


def when(applies: bool, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as they are, or not applicable."""
    return dict(fields) if applies else dict.fromkeys(fields, NA)
