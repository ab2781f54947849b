"""Code: write a function from its description, or repair one; judged by hidden tests in the sandbox.

Generated functions and forty classics; readers for the published formats of HumanEval and MBPP, whose asserts become
data where they can be and are refused by name where they cannot.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rftlab.errors import RftlabError
from rftlab.tasks import arithmetic
from rftlab.tasks.base import Example, Task
from rftlab.tasks.code_classics import CLASSICS, Classic
from rftlab.tasks.code_steps import Function, Numbers, draw_function, draw_inputs, mistake
from rftlab.tasks.file import hold_out
from rftlab.tasks.procedural import Draft, Recipe
from rftlab.tasks.tables import read_rows
from rftlab.verifiers.code import encode_tests, tests_from_asserts

_CLASSIC_SHARE = 0.15
_HIDDEN_TESTS = 6
_NAMES = ("solve", "process", "compute", "transform")


def load(variant: str, **settings: Any) -> Task:
    """Code task by variant: write, repair, humaneval, mbpp or tiny.

    Args:
        variant: which one.
        **settings: see `Recipe.task` for write and repair, `load_published` for humaneval and mbpp.

    Raises:
        RftlabError: no such variant, or data that cannot be read.
    """
    loaders: dict[str, Callable[..., Task]] = {
        "write": WRITE.task,
        "repair": REPAIR.task,
        "humaneval": load_humaneval,
        "mbpp": load_mbpp,
        "tiny": load_tiny,
    }
    if variant not in loaders:
        raise RftlabError(f"unknown variant {variant!r}; known: {', '.join(loaders)}")
    return loaders[variant](**settings)


def draw_write(rng: random.Random, far: bool) -> Draft:
    """Draw a function to write: steps on a list, or a classic; far: three steps and other words."""
    if rng.random() < _CLASSIC_SHARE:
        classic = rng.choice(CLASSICS)
        prompt = f"Write a Python function {classic.signature}. {classic.description}"
        return Draft(classic.name, prompt, classic.source, _plan(classic.description), _meta(classic))
    while True:
        function = draw_function(rng, 3 if far else rng.choice((1, 1, 2)))
        inputs = draw_inputs(rng, function, _HIDDEN_TESTS)
        if _varied(function, inputs):
            break
    name = rng.choice(_NAMES)
    prompt = (
        f"Implement {name}(numbers) in Python. Given a list of integers it should {function.words}."
        if far
        else f"Write a Python function {name}(numbers) for a list of integers. In this order: {function.words}."
    )
    meta = _step_meta(function, name, inputs)
    return Draft(function.words, prompt, function.source(name), _step_plan(function), meta)


def draw_repair(rng: random.Random, far: bool) -> Draft:
    """Draw a broken function with one failing call; far: three steps and other words."""
    if rng.random() < _CLASSIC_SHARE:
        classic = rng.choice(CLASSICS)
        wanted = classic.function(*classic.shown)
        call = f"{classic.name}({', '.join(map(repr, classic.shown))})"
        prompt = _repair_prompt(classic.description, classic.broken, call, wanted, far)
        return Draft(classic.name, prompt, classic.source, f"{call} must be {wanted!r}.", _meta(classic))
    while True:
        function = draw_function(rng, 3 if far else rng.choice((1, 2)))
        broken = mistake(rng, function)
        inputs = [numbers for numbers in draw_inputs(rng, function, 16) if _differ(function, broken, numbers)]
        inputs = inputs[: _HIDDEN_TESTS + 1]
        if len(inputs) > _HIDDEN_TESTS and _varied(function, inputs[1:]):
            break
    name = rng.choice(_NAMES)
    shown, *hidden = inputs
    wanted = function.run(shown)
    prompt = _repair_prompt(function.words, broken.source(name), f"{name}({shown})", wanted, far)
    rationale = f"{_step_plan(function)} {name}({shown}) must be {wanted!r}."
    key = f"{function.words} / {broken.words}"
    return Draft(key, prompt, function.source(name), rationale, _step_meta(function, name, hidden))


def _repair_prompt(description: str, source: str, call: str, wanted: Any, far: bool) -> str:
    purpose = description.rstrip(".")
    if far:
        return f"{source}\n\nThis has a bug: {call} should return {wanted!r}. Its purpose: {purpose}. Fix the function."
    return (
        f"This Python function should do the following: {purpose}.\n\n{source}\n\n"
        f"But {call} does not return {wanted!r}. Write the corrected function."
    )


def _varied(function: Function, inputs: list[Numbers]) -> bool:
    """Whether no constant passes half of the tests."""
    values = [str(function.run(numbers)) for numbers in inputs]
    return bool(values) and max(map(values.count, values)) * 2 <= len(values)


def _differ(function: Function, broken: Function, numbers: Numbers) -> bool:
    try:
        return bool(function.run(numbers) != broken.run(numbers))
    except (TypeError, IndexError):
        return True


def _plan(description: str) -> str:
    return f"The function has to do this: {description}"


def _step_plan(function: Function) -> str:
    return " ".join(f"{step.words[0].upper()}{step.words[1:]}: {step.code}." for step in function.steps)


def _meta(classic: Classic) -> dict[str, Any]:
    tests = [{"args": list(args), "kwargs": {}, "expected": classic.function(*args)} for args in classic.inputs]
    return {"entry_point": classic.name, "tests": tests, "reference": classic.source}


def _step_meta(function: Function, name: str, inputs: list[Numbers]) -> dict[str, Any]:
    tests = [{"args": [numbers], "kwargs": {}, "expected": function.run(numbers)} for numbers in inputs]
    return {"entry_point": name, "tests": tests, "reference": function.source(name)}


_LIMITS_OF_TESTS = (
    "Hidden tests run in the sandbox; what passes them all need not be right everywhere, and style, documentation and "
    "security are not judged."
)

WRITE = Recipe(
    name="code/write",
    card="Write a Python function from its description: list functions put together from steps, and forty classics, "
    "all written for rftlab (Apache-2.0). The reward is the share of at least five hidden tests passed; full marks are "
    f"a part of their own. Ood has three steps and other words. {_LIMITS_OF_TESTS}",
    draw=draw_write,
    verifier="code",
)
REPAIR = Recipe(
    name="code/repair",
    card="Repair a Python function given its purpose and one failing call: one step left out or mistaken for another, "
    "or a typical bug in one of forty classics, all written for rftlab (Apache-2.0). Only a function that passes every "
    "hidden test is rewarded: of a generated function the unchanged one fails them all. Ood has three steps and other "
    f"words. Real bugs are rarely a single wrong expression. {_LIMITS_OF_TESTS}",
    draw=draw_repair,
    verifier="code",
    verifier_settings={"partial_credit": False},
)


def published(columns: Iterable[str]) -> str:
    """Humaneval or mbpp, whose columns these are; "" where they are neither's."""
    known, texts = {str(name) for name in columns}, {"text", "prompt"}
    if {"prompt", "canonical_solution", "test", "entry_point"} <= known:
        return "humaneval"
    return "mbpp" if {"code", "test_list"} <= known and not texts.isdisjoint(known) else ""


def load_humaneval(*, dataset: str = "openai/openai_humaneval", split: str = "test", **settings: Any) -> Task:
    """HumanEval from the hub or, with ``path``, from a file in its published format; see `load_published`."""
    card = (
        "HumanEval (Chen et al. 2021, MIT licence) or rows in its format: complete a function from its signature and "
        "docstring. Its asserts are turned into data; a problem whose asserts cannot be is left out, and the card says "
        f"how many. It is old and widely copied: a model may have seen it. {_LIMITS_OF_TESTS}"
    )
    return load_published("humaneval", _from_humaneval, card, dataset=dataset, split=split, **settings)


def load_mbpp(*, dataset: str = "google-research-datasets/mbpp", split: str = "train", **settings: Any) -> Task:
    """MBPP from the hub or, with ``path``, from a file in its published format; see `load_published`."""
    card = (
        "MBPP (Austin et al. 2021, CC-BY-4.0) or rows in its format: write a function from one sentence and one "
        "example assert. Its asserts are turned into data; a problem whose asserts cannot be is left out, and the card "
        f"says how many. Three tests a problem are few. {_LIMITS_OF_TESTS}"
    )
    return load_published("mbpp", _from_mbpp, card, dataset=dataset, split=split, **settings)


def load_published(
    name: str,
    convert: Callable[[Mapping[str, Any]], Example],
    card: str,
    *,
    path: str = "",
    dataset: str = "",
    split: str = "test",
    test_share: float = 0.3,
    split_seed: int = 0,
    unusable: str = "skip",
) -> Task:
    """Task from rows in a published format.

    Args:
        name: humaneval or mbpp.
        convert: one row to one example.
        card: the task's card.
        path: a .jsonl or .jsonl.gz file; otherwise the hub id is read.
        dataset: Hugging Face dataset id.
        split: its split.
        test_share: share of the rows held out, in (0, 1).
        split_seed: seed of that split.
        unusable: "skip" leaves out problems whose tests are not data, and says so in the card; "fail" names the first.

    Raises:
        RftlabError: the data cannot be read, no row is left, or ``unusable`` is "fail" and a row is.
    """
    if unusable not in ("skip", "fail"):
        raise RftlabError(f"task_settings.unusable is {unusable!r}; give skip or fail")
    examples: list[Example] = []
    left_out: list[str] = []
    for where, row in read_rows(path=path, dataset=dataset, split=split):
        try:
            examples.append(convert(row))
        except KeyError as error:
            raise RftlabError(f"{path or dataset}, {where}: no column {error}; is this {name}'s format?") from None
        except RftlabError as error:
            if unusable == "fail":
                raise RftlabError(f"{path or dataset}, {where}: {error}") from None
            left_out.append(str(row.get("task_id", where)))
    if not examples:
        raise RftlabError(f"{path or dataset}: no problem whose tests can be turned into data")
    train, test = hold_out(examples, test_share, split_seed)
    if left_out:
        card += f" Left out here ({len(left_out)}): {', '.join(left_out[:20])}{' ...' if len(left_out) > 20 else ''}."
    return Task(name=f"code/{name}", card=card, train=tuple(train), test=tuple(test), verifier="code")


def _from_humaneval(row: Mapping[str, Any]) -> Example:
    prompt, entry_point = str(row["prompt"]), str(row["entry_point"])
    reference = prompt + str(row["canonical_solution"])
    return Example(
        id=str(row["task_id"]),
        prompt=f"Complete this Python function. Give the whole function.\n\n{prompt.strip()}",
        answer=reference.strip(),
        meta={
            "entry_point": entry_point,
            "tests": encode_tests(tests_from_asserts(str(row["test"]), entry_point)),
            "reference": reference,
        },
    )


def _from_mbpp(row: Mapping[str, Any]) -> Example:
    asserts = [*row["test_list"], *(row.get("challenge_test_list") or [])]
    code = str(row["code"]).replace("\r\n", "\n")
    entry_point = next(_called_functions(asserts[0], code), "") if asserts else ""
    if not entry_point or (row.get("test_setup_code") or "").strip():
        raise RftlabError(f"problem {row['task_id']}: its tests need code of their own")
    text = str(row.get("text") or row["prompt"]).strip()
    return Example(
        id=f"mbpp-{row['task_id']}",
        prompt=f"{text} The function must pass this test: {asserts[0].strip()}",
        answer=code.strip(),
        meta={
            "entry_point": entry_point,
            "tests": encode_tests(tests_from_asserts("\n".join(asserts), entry_point)),
            "reference": code,
        },
    )


def _called_functions(test: str, code: str) -> Iterator[str]:
    """Names of functions that the code defines and the assert mentions, in the code's order."""
    for line in code.splitlines():
        name = line[4:].partition("(")[0].strip() if line.startswith("def ") else ""
        if name and f"{name}(" in test.replace(" (", "("):
            yield name


def load_tiny(**settings: Any) -> Task:
    """Functions of one number, in the words the tiny base was pretrained on; settings of `arithmetic.load`."""
    base = arithmetic.load("code", **settings)

    def judged(examples: tuple[Example, ...]) -> tuple[Example, ...]:
        return tuple(Example(e.id, e.prompt, e.answer, e.rationale, _tiny_meta(e)) for e in examples)

    return Task(
        name="code/tiny",
        card="Functions of one number told in two or three steps, for the tiny base; generated by rftlab (Apache-2.0) "
        "and judged by five hidden tests. The tiny base was pretrained on such texts, on purpose: the gain it shows "
        "was built in and says nothing about large models.",
        train=judged(base.train),
        test=judged(base.test),
        ood={kind: judged(examples) for kind, examples in base.ood.items()},
        verifier="code",
        retention=base.retention,
    )


def _tiny_meta(example: Example) -> dict[str, Any]:
    tests = [{"args": [value], "kwargs": {}, "expected": result} for value, result in example.meta["tests"]]
    return {"entry_point": example.meta["entry_point"], "tests": tests, "reference": example.answer}
