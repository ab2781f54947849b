"""Models, methods and tasks as numbers, for who works out what they take and imports no torch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.methods.base import load_method, make_settings
from rftlab.parts import AUTO
from rftlab.policy.anatomy import Anatomy, with_layers
from rftlab.policy.caps import cap_for, given
from rftlab.policy.hub import locate, require_reachable
from rftlab.tasks.base import Example
from rftlab.tasks.folds import rows, task_of
from rftlab.tasks.template import TEMPLATES
from rftlab.user_code.child import announce

_LOAD_LIMIT_S = 600.0
# Of a longer pool so many examples, evenly spread, are counted.
_COUNTED = 1000
# Where no tokenizer is at hand: characters of a token, fewer than English has with today's vocabularies (about 4), and
# what a chat template writes around a prompt.
_CHARACTERS, _WRAPPING = 3, 40
# A cap where nothing tells how long a right answer gets: as `rftlab.policy.caps`.
_NO_GOLD = 512

Count = Callable[[Sequence[Example]], list[int]]


def read(request: Mapping[str, Any]) -> dict[str, Any]:
    """Anatomies of models, settings of methods and lengths of texts, as JSON.

    Args:
        request: `cells`, as JSON values, each with the model and adapter to be counted; `configs`, model -> what its
            config.json holds, for those that nobody shall be asked for; `half`, whether bases are in bf16 unless
            a cell says fp32; `methods`, a list of method, preset, settings; `texts`, cells whose task's texts are
            measured in the tokens of their model.

    Returns:
        `anatomies`, one a cell, or a sentence that says why there is none; `settings`, one a method; `lengths`, one a
        cell of `texts`.

    Raises:
        RftlabError: a method cannot be loaded or does not take its settings, or a task cannot be loaded.
    """
    settings = [settings_of(each["method"], each["preset"], each["settings"]) for each in request["methods"]]
    lengths = [lengths_of(Cell.make(values)) for values in request["texts"]]
    anatomies: list[Any] = []
    for values in request["cells"]:
        cell = Cell.make(values)
        try:
            half = request["half"] and cell.precision != "fp32"
            config = request["configs"].get(cell.model)
            anatomies.append(_as_run(cell, config, half=half, on_cpu=not request["half"])._asdict())
        except RftlabError as error:
            anatomies.append(str(error))
    return {"anatomies": anatomies, "settings": settings, "lengths": lengths}


def _as_run(cell: Cell, config: Mapping[str, Any] | None, *, half: bool, on_cpu: bool) -> Anatomy:
    """The anatomy in the precision that a cell computes in, on this machine's kind of CPU if on one."""
    from rftlab.policy.precision import SMALL, wants_half

    if on_cpu and cell.quantization == "none" and wants_half(cell.precision, "cpu"):
        found = counted(cell, config, half=False, rounds=True)
        if cell.precision != AUTO or found.parameters >= SMALL:
            return found
    return counted(cell, config, half=half)


def counted(cell: Cell, config: Mapping[str, Any] | None = None, *, half: bool, rounds: bool = False) -> Anatomy:
    """The anatomy of a cell's model and adapter.

    Args:
        cell: names the model.
        config: what its config.json holds, of a model whose layers are all alike: two of them are counted, and the rest
            follows. Without one, the model's own is read, and all of it is counted.
        half: the base in bf16.
        rounds: the base in fp32, and its products in bf16.

    Raises:
        RftlabError: the model is not there, the hub cannot be reached, or the adapter does not fit.
    """
    from transformers import AutoConfig

    from rftlab.policy.meta import anatomy

    announce(f"counting the weights of model {cell.model!r}", limit=_LOAD_LIMIT_S)
    if config is None:
        require_reachable(cell.model)
        found = AutoConfig.from_pretrained(locate(cell.model), trust_remote_code=False)
        return anatomy(found, cell, half=half, rounds=rounds)
    one, two = (
        anatomy(AutoConfig.for_model(**{**config, "num_hidden_layers": layers}), cell, half=half, rounds=rounds)
        for layers in (1, 2)
    )
    return with_layers(one, two, config["num_hidden_layers"])


def settings_of(method: str, preset: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a method, those of its stages in place: `stages` of a sequence, `sft` of RLHF's first stage.

    Raises:
        RftlabError: as `make_settings`.
    """
    found: dict[str, Any] = make_settings(load_method(method), method, preset, given).model_dump(mode="json")
    for stage in found.get("stages", ()):
        stage["settings"] = settings_of(stage["method"], stage["preset"], stage["settings"])
    if found.get("sft_share"):
        found["sft"] = settings_of("sft", "", {})
    return found


def lengths_of(cell: Cell) -> dict[str, Any]:
    """How long the texts of a cell's task are, in tokens of its model where its tokenizer lies on this machine.

    Returns:
        `prompt` and `gold`, the longest; `mean`, of labelled completions; `cap`, most tokens of one that is sampled;
        `pool`, how many examples labels are drawn from; `by`, what was counted: tokens, or characters.

    Raises:
        RftlabError: the task cannot be loaded.
    """
    announce(f"loading task {cell.task_name!r}")
    task = task_of(cell)
    announce(f"measuring the texts of task {cell.task_name!r}", limit=_LOAD_LIMIT_S)
    pool, prompts, gold, by = rows(task), *_counters(cell)
    asked = [*_some(pool or task.prompts), *_some(task.test)]
    labelled = gold([e for e in _some(pool) if e.answer and (e.rationale or not cell.cot)])
    cap = given(cell, cot=cell.cot) or (cap_for(labelled) if labelled else _NO_GOLD)
    return {
        "prompt": max(prompts(asked), default=0), "gold": max(labelled, default=0), "cap": cap, "by": by,
        "mean": sum(labelled) / len(labelled) if labelled else 0.0, "pool": len(pool),
    }  # fmt: skip


def _some(examples: Sequence[Example]) -> Sequence[Example]:
    return examples[:: max(1, -(-len(examples) // _COUNTED))]


def _counters(cell: Cell) -> tuple[Count, Count, str]:
    """Lengths of prompts, of labelled completions, and what they are counted in."""
    from transformers import AutoTokenizer

    from rftlab.policy.load import Policy

    try:
        place = locate(cell.model)
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False, local_files_only=True)
    except Exception:  # not on this machine, or not to be read, which whoever runs the cell is told
        template = TEMPLATES["instruct" if cell.template == "auto" else cell.template]

        def prompts(examples: Sequence[Example]) -> list[int]:
            return [_WRAPPING + len(template.prompt(e, cot=cell.cot)) // _CHARACTERS for e in examples]

        def gold(examples: Sequence[Example]) -> list[int]:
            texts = [template.completion(e, cot=cell.cot, thinking="none") for e in examples]
            return [1 + len(text) // _CHARACTERS for text in texts]

        return prompts, gold, "characters"
    wording = cell.template if cell.template != "auto" else "instruct" if tokenizer.chat_template else "qa"
    policy = Policy(None, tokenizer, TEMPLATES[wording], {}, system=cell.system)
    return (
        lambda examples: [policy.count_prompt(e, cell.cot) for e in examples],
        lambda examples: policy.count_gold(examples, cell.cot),
        "tokens",
    )
