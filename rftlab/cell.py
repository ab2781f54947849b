"""Cell: every parameter of one run in one frozen value, and the id that is its content's hash."""

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from rftlab import scalars
from rftlab.errors import RftlabError, one_line
from rftlab.json_values import FrozenDict, frozen, without_folders
from rftlab.naming import short_name, short_names
from rftlab.parts import AUTO, Adapter, Budget, Decoding, Device, Evaluation, Frozen, Part, Rates, Tuning

SCHEMA_VERSION = 1

# Fields that came after the first shipped study, with the default they had then: at that value a field does not enter
# the id, so that a later field orphans no study. An entry is never changed, whatever becomes of the field's default.
_CAME_LATER: dict[str, Any] = {
    "system": "", "prompts": 0, "label_noise": 0.0, "label_difficulty": "any", "curriculum": "none",
    "pass_rates_path": "", "development": "apart", "start_from": "", "digests": {},
    "budget.until": "spent", "budget.patience": 5, "evaluation.decides": "accuracy", "evaluation.retention": "auto",
    "evaluation.retention_items": 50, "evaluation.verifier": "", "evaluation.verifier_settings": {},
    "evaluation.marks": [], "learning_rates": [], "tuned_by": "", "evaluation.part": "test", "started_by": "",
    "precision": "auto", "processes": 1, "quantization": "none",
}  # fmt: skip

# Fields that say which rows a method trains on, and in which order.
OF_ROWS = ("labels", "label_noise", "label_difficulty", "curriculum", "pass_rates_path", "prompts")

# Fields that change where and how a cell is run, and nothing that comes out.
_HOW_IT_IS_RUN = {"device", "gradient_checkpointing"}

NOT_YET = "a stage that has not chosen yet"
"""`tuned_by` of a cell whose learning rates a grid's tuning stage is still to choose: it cannot be run."""

# Fields that are equal to another unless they are given.
FOLLOWS = {"seed_data": "seed", "seed_init": "seed", "seed_sampling": "seed", "cot_eval": "cot"}


class Cell(Part):
    """One run: a method on a task with a model, so many labels, a chain-of-thought setting and a seed.

    Frozen and fully validated. Defaults are filled in when it is made, so that two cells with equal content are equal
    however they were written down. Grouped fields are written `adapter.r` in a grid and `adapter_r` in a notebook.
    """

    task: str = Field("arithmetic/word", min_length=1, description="registered task, or path.py:function")
    task_settings: Frozen = Field(default_factory=FrozenDict, description="passed to the task (path, columns, ...)")
    verifier: str = Field("", description="registered verifier or path.py:function; empty takes the task's own")
    verifier_settings: Frozen = Field(default_factory=FrozenDict, description="passed to the verifier")
    answer_format: Literal["strict", "lenient"] = Field(
        "strict", description="strict: only <answer> tags count; lenient: the tolerant fallback counts too"
    )
    template: Literal["auto", "qa", "instruct"] = Field("auto", description="prompt wording; auto follows the model")
    system: str = Field("", description="system message before the prompt, where the model has a chat template")
    model: str = Field(
        "tiny-base", min_length=1, description="tiny-base, smollm2 (rftlab fetch), a local directory or a hub id"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="fp32 or bf16 products; auto: bf16 where it is fast, for bases of 50M parameters or more"
    )
    quantization: Literal["none", "4bit", "8bit"] = Field(
        "none", description="bits that the base's linear layers are held in under an adapter (QLoRA, by bitsandbytes)"
    )
    device: Device = Field(AUTO, description="where it computes: cpu, cuda:0; auto takes a GPU where there is one")
    processes: int = Field(1, ge=1, le=64, description="that train a cell together, each on a device of its own")
    gradient_checkpointing: bool = Field(
        False, description="compute activations again in backward passes: less memory, the same update, slower"
    )
    start_from: str = Field("", description="kept policy to go on from: a cell's folder; empty starts from the base")
    started_by: str = Field("", description="the arm of its grid that kept that policy; filled in for you")
    method: str = Field("sft", min_length=1, description="registered method")
    preset: str = Field("", description="named settings of the method (for grpo: deepseek, ...)")
    settings: Frozen = Field(default_factory=FrozenDict, description="settings of the method, by TRL's names")
    labels: int = Field(50, ge=0, description="label budget: labelled examples the method may see")
    prompts: int = Field(0, ge=0, description="prompts without labels that RFT trains on beside them")
    label_noise: float = Field(
        0.0, ge=0, le=1, description="share of the labels that are wrong on purpose: they are other rows' labels"
    )
    label_difficulty: Literal["any", "easy", "hard", "mixed"] = Field(
        "any", description="which rows the labels are drawn from, by the base's pass rate: a third, or thirds in turn"
    )
    curriculum: Literal["none", "easy_first", "hard_first"] = Field(
        "none", description="the order in which prompts come in training, by the base's pass rate"
    )
    pass_rates_path: str = Field("", description="file of the base's pass rates, as rftlab pass-rates writes it")
    development: Literal["apart", "from_labels"] = Field(
        "apart", description="development items: apart from the label budget, or taken out of it by folds"
    )
    cot: bool = Field(True, description="trained with chain-of-thought prompts")
    cot_eval: bool = Field(True, description="asked with chain-of-thought prompts; equal to cot unless given")
    seed: int = Field(0, ge=0, lt=2**31, description="sets the three seeds below unless they are given")
    seed_data: int = Field(0, ge=0, lt=2**31, description="which labels are drawn, and their order")
    seed_init: int = Field(0, ge=0, lt=2**31, description="the adapter's initial weights")
    seed_sampling: int = Field(0, ge=0, lt=2**31, description="sampling of completions")
    adapter: Adapter = Adapter()
    decoding: Decoding = Decoding()
    budget: Budget = Budget()
    tuning: Tuning = Tuning()
    learning_rates: Rates = Field((), description="one for each stage of the method; empty takes the method's defaults")
    tuned_by: str = Field("", description="the tuning stage that chose them; filled in for you")
    evaluation: Evaluation = Evaluation()
    digests: Annotated[dict[str, str], AfterValidator(frozen)] = Field(
        default_factory=FrozenDict,
        description="content of the files of yours that the cell depends on; filled in for you",
    )

    def __init__(self, **values: Any) -> None:
        """As `make`."""
        try:
            super().__init__(**_nested(values))
        except ValidationError as error:
            raise RftlabError(_first_problem(error)) from None

    @model_validator(mode="before")
    @classmethod
    def _fill_defaults(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        filled = dict(data)
        for name, leader in FOLLOWS.items():
            filled.setdefault(name, filled.get(leader, cls.model_fields[leader].default))
        return filled

    @model_validator(mode="after")
    def _rates_are_given_once(self) -> "Cell":
        if self.learning_rates and (self.tuning.trials > 1 or self.tuning.learning_rates):
            other = "tuning.trials" if self.tuning.trials > 1 else "tuning.learning_rates"
            raise ValueError(f"{other} chooses a learning rate in the cell, and learning_rates gives it; leave one out")
        return self

    @cached_property
    def id(self) -> str:
        """First 12 hex digits of the SHA-256 of the cell's canonical JSON.

        Fields that came later do not enter it at the default they came with, nor does the folder of a file whose
        content is in `digests`: a moved project is the same. Neither does how it is run (`_HOW_IT_IS_RUN`).
        """
        dump = self.model_dump(mode="json", exclude=_HOW_IT_IS_RUN)
        values: dict[str, Any] = {"schema": 1, **without_folders(dump, self.digests)}
        for name, default in _CAME_LATER.items():
            group, dot, field = name.rpartition(".")
            part = values[group] if dot else values
            if part[field] == default:
                del part[field]
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def unstarted(self) -> "Cell":
        """The cell as if it started from the base, of files as they are when it is run."""
        return Cell.make({**self.model_dump(), "start_from": "", "started_by": "", "digests": {}})

    @property
    def waits(self) -> bool:
        """Whether it goes on from a policy that another cell of its grid has still to train: it cannot be run yet."""
        return bool(self.started_by and not self.start_from)

    @property
    def variant(self) -> str:
        """The cell but for its seeds and how it is run, as canonical JSON: cells of one arm have it in common."""
        seeds = {"seed", "seed_data", "seed_init", "seed_sampling"}
        values = self.model_dump(mode="json", exclude=seeds | _HOW_IT_IS_RUN)
        if self.started_by:  # each seed goes on from a policy of its own
            values |= {"start_from": "", "digests": {k: v for k, v in self.digests.items() if k != "start_from"}}
        return json.dumps(values, sort_keys=True)

    @property
    def task_name(self) -> str:
        """What people call its task: see `task_name`."""
        return task_name(self.task, self.task_settings)

    @property
    def method_name(self) -> str:
        """What people call its method."""
        return short_name(self.method)

    @property
    def label(self) -> str:
        """Short name for people, e.g. `word grpo n=50 cot seed 1`; never parsed."""
        task, method = (name.rpartition("/")[2] for name in (self.task_name, self.method_name))
        budget = f"n={self.labels}{f'+{self.prompts}' if self.prompts else ''}"
        label = f"{task} {method} {budget} {'cot' if self.cot else 'direct'} seed {self.seed}"
        if self.evaluation.part == "development" and self.learning_rates:  # a rung of a tuning stage
            label += f" rate {', '.join(f'{rate:g}' for rate in self.learning_rates)}"
        return label

    @staticmethod
    def labels_apart(cells: Iterable["Cell"]) -> dict[str, str]:
        """Id -> label of several cells; those of one label are told apart by what else differs between them."""
        alike: dict[str, list[Cell]] = {}
        for cell in cells:
            alike.setdefault(cell.label, []).append(cell)
        found = {}
        for label, group in alike.items():
            flats = Cell.as_said(group)
            names = [name for name in flats[0] if name != "digests" and any(f[name] != flats[0][name] for f in flats)]
            for cell, flat in zip(group, flats, strict=True):
                found[cell.id] = " ".join([label, *(one_line(f"{name}={flat[name]}") for name in names)])
        return found

    @staticmethod
    def as_said(cells: Iterable["Cell"]) -> list[dict[str, Any]]:
        """`flat` of several cells, their tasks, methods and verifiers under the names that people call them by."""
        flats = [cell.flat() for cell in cells]
        for field in ("task", "method", "verifier", "evaluation.verifier"):
            called = _task_of_code if field == "task" else short_name
            names = short_names({flat[field] for flat in flats}, called)
            for flat in flats:
                flat[field] = names[flat[field]]
        return flats

    @property
    def label_budget(self) -> str:
        """The label budget in words, e.g. `10 labels + 500 prompts without labels + 50 for development`."""
        items, labels = self.development_items, f"{self.labels} label{'s' * (self.labels != 1)}"
        if self.prompts:
            labels += f" + {self.prompts} prompt{'s' * (self.prompts != 1)} without labels"
        if not items:
            return labels
        if self.development == "apart":
            return f"{labels} + {items} for development"
        return f"{labels}, {min(items, -(-(self.labels or self.prompts) // 5))} of them for development"

    @property
    def development_items(self) -> int:
        """Development items asked for: none where nothing is evaluated along the way, nor they are what is scored."""
        asked = self.evaluation
        return asked.along_items if asked.along_the_way or asked.part == "development" else 0

    @property
    def max_new_tokens(self) -> int:
        """Completion cap in tokens when the policy is asked as in evaluation; 0 where it is to be worked out."""
        return self.decoding.max_new_tokens if self.cot_eval else self.decoding.max_new_tokens_direct

    def flat(self) -> dict[str, Any]:
        """Dotted name -> JSON value, for every parameter; groups opened (`adapter.r`), settings left as dicts."""
        dump = self.model_dump(mode="json")
        return {
            dotted: dump[group][field] if dot else dump[group]
            for dotted in parameter_names().values()
            for group, dot, field in [dotted.partition(".")]
        }

    @classmethod
    def make(cls, values: Mapping[str, Any]) -> "Cell":
        """Cell from nested, dotted (`adapter.r`) or both kinds of names.

        Raises:
            RftlabError: an unknown name, a wrong type or a value out of range; the sentence names the field.
        """
        return cls(**{str(name): value for name, value in values.items()})

    @classmethod
    def from_parameters(cls, namespace: Mapping[str, Any]) -> "Cell":
        """Cell from a notebook's flat parameters (`adapter_r`); what else ``namespace`` holds is ignored.

        Seeds of -1 and empty texts mean "not set"; `cot_eval` is "yes" or "no"; `task_settings`, `verifier_settings`,
        `settings`, `tuning_learning_rates`, `learning_rates`, `evaluation_marks` and `digests` are dictionaries, lists,
        or JSON texts of them, because a grid passes only scalars. `steps` is short for `budget_amount`, and
        `learning_rate` for one of `learning_rates`; 0 means "not set", and the long name goes before.

        Raises:
            RftlabError: as `make`; a name that looks like a misspelt parameter, or that papermill was given and nobody
                knows; one of the JSON texts does not parse, or `cot_eval` is another word.
        """
        return cls.make(scalars.read(namespace, parameter_names(), FOLLOWS))

    def to_parameters(self) -> dict[str, Any]:
        """The cell as a notebook's flat scalar parameters: the inverse of `from_parameters`."""
        values = self.flat()
        return scalars.write({name: values[dotted] for name, dotted in parameter_names().items()})


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in values.items():
        group, dot, field = name.partition(".")
        if dot and isinstance(nested.get(group, {}), dict):
            nested.setdefault(group, {})[field] = value
        elif isinstance(value, Mapping) and isinstance(nested.get(group), dict):
            nested[group].update(value)
        else:
            nested[group] = dict(value) if isinstance(value, Mapping) else value
    return nested


def task_name(task: str, settings: Mapping[str, Any]) -> str:
    """What people call a task: as it is registered; one of a file, a dataset or code by that one's name.

    Examples: `tickets` for task file with the path data/tickets.csv, unless `task_settings.name` says otherwise; `nim`
    for games/nim.py:load, `nim/hard` for games/nim.py:hard.
    """
    if ":" in task:  # path/to/file.py:function, or package.module:function
        place, _, function = task.rpartition(":")
        module = Path(place).stem if place.endswith(".py") else place.rpartition(".")[2]
        return module if function == "load" else f"{module}/{function}"
    if task != "file":
        return task
    if isinstance(own := settings.get("name"), str) and own:
        return own
    path = settings.get("path") or settings.get("prompts_path") or ""
    file = Path(str(path)).name.removesuffix(".gz")
    return str(settings.get("dataset") or Path(file).stem or task)


def _task_of_code(task: str) -> str:
    return task_name(task, {}) if ":" in task else task


@cache
def parameter_names() -> Mapping[str, str]:
    """Flat notebook name -> dotted name, for every field of a Cell, in order."""
    flat: dict[str, str] = {}
    for name, field in Cell.model_fields.items():
        if isinstance(field.default, Part):
            flat |= {f"{name}_{inner}": f"{name}.{inner}" for inner in type(field.default).model_fields}
        else:
            flat[name] = name
    return MappingProxyType(flat)


def parameter_help() -> dict[str, str]:
    """Dotted name -> its one-line description, for `rftlab grid --help` and the notebooks' comments."""
    help_text: dict[str, str] = {}
    for name, field in Cell.model_fields.items():
        if isinstance(field.default, Part):
            inner_fields = type(field.default).model_fields
            help_text |= {f"{name}.{inner}": inner_fields[inner].description or "" for inner in inner_fields}
        else:
            help_text[name] = field.description or ""
    return help_text


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(where, parameter_help(), n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "see `rftlab parameters` for all of them"
        return f"unknown parameter {where!r}; {hint}"
    what = problem["msg"].removeprefix("Value error, ")
    return f"parameter {where!r}: {what} (got {one_line(repr(problem.get('input')))})"
