"""One suite for every verifier: what each has to hold, as functions that raise AssertionError; and a row for each.

A new verifier needs one row in `rows`. The checks are run on every registered verifier by `test_verifiers`, and on
broken ones by `test_mutants`, which shows that each check can fail.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rftlab.sandbox import values
from rftlab.tasks.base import Example
from rftlab.verifiers.base import Verifier

MEGABYTE = 1 << 20
# Generous, because other work shares the machine; what is bounded is one item, at a second or three.
SECONDS_FOR_HOSTILE_BATCH = 120.0


@dataclass(frozen=True)
class Row:
    """A verifier in the suite.

    Args:
        examples: at least four, with gold answers that differ.
        settings: the verifier's settings.
        tied: whether another example's answer is wrong; False for verifiers that judge form alone.
        lists: whether a list of answers is wrong; False for code, where the last definition counts, as Python has it.
        needs_answer: whether an empty completion scores 0; False for parts that judge the completion's shape.
    """

    examples: Sequence[Example]
    settings: Mapping[str, Any] = field(default_factory=dict)
    tied: bool = True
    lists: bool = True
    needs_answer: bool = True


def example(answer: str, prompt: str = "", **meta: Any) -> Example:
    return Example(f"e-{answer[:20]}", prompt or f"Say {answer}", answer, None, meta)


def tagged(answer: str) -> str:
    return f"<answer>{answer}</answer>"


NUMBERS = [example(str(n)) for n in (12, -7, 0, 144, 3, 58)]
CAPITALS = ["Rome", "Paris", "Oslo", "Bern", "Lima"]
FORMS = ["light in the night\nburning so bright", "a cat\non a mat", "the hill\nis still", "the day\nis gray"]
SHOP = "create table items(id integer primary key, name text, price real);"


COUNTDOWN = (
    ([3, 5, 7], 22, "3*5+7"), ([2, 9, 4], 34, "(9*4)-2"), ([8, 2, 6], 10, "8/2+6"), ([1, 6, 5], 29, "6*5-1"),
)  # fmt: skip
FUNCTIONS: dict[str, Callable[[int], Any]] = {
    "2 * x": lambda x: 2 * x, "x * x": lambda x: x * x, "str(x)": str, "x - 3": lambda x: x - 3,
}  # fmt: skip
QUERIES = ("select name", "select price", "select id, name", "select id + price")
DATABASES = (
    f"{SHOP} insert into items values (1,'tea',2.5),(2,'oil',6.0)",
    f"{SHOP} insert into items values (1,'ink',9)",
)


def rows(model: str = "", endpoint: str = "") -> dict[str, Row]:
    """A row for every verifier; ``model`` and ``endpoint`` are what the learned ones ask."""
    return {
        "exact": Row([example(capital) for capital in CAPITALS]),
        "math": Row([*NUMBERS, example(r"\frac{3}{4}"), example("x^2+1")]),
        "numeric": Row([*NUMBERS, example("2.5 mg"), example("80 mL/min")]),
        "choice": Row([example("ABCDE"[i], choices=CAPITALS) for i in range(5)]),
        "regex": Row([example(text, pattern=rf"{text[:2]}\w+") for text in CAPITALS]),
        "json-schema": Row([_object(key, i) for i, key in enumerate("abcd")]),
        "solver": Row([example(text, kind="countdown", numbers=n, target=target) for n, target, text in COUNTDOWN]),
        "game": Row([example(path, game="maze", grid=_maze(path)) for path in ("RRDD", "DDRR", "RDRD", "DRDR")]),
        "story": Row([example(str(n + 4), f"Tom has {n} apples, finds 4. How many apples now?") for n in (3, 5, 8, 9)]),
        "format": Row(NUMBERS, tied=False),
        "length": Row(NUMBERS, tied=False, needs_answer=False),
        "repetition": Row(NUMBERS, tied=False, needs_answer=False),
        "originality": Row([example(f"{a} and {b} alone") for a in CAPITALS for b in ("hills", "seas")], tied=False),
        "form": Row([_couplet(text) for text in FORMS], {"partial_credit": False}),
        "rubric": Row(NUMBERS, {"components": [{"verifier": "numeric"}, {"verifier": "length", "penalty": 0.2}]}),
        "reward-model": Row(NUMBERS, {"model": model}, tied=False),
        "judge": Row(NUMBERS, {"endpoint": endpoint, "model": "stub", "retries": 0}),
        "gym": Row([_gcd(*numbers) for numbers in ((21, 14), (12, 18), (35, 10), (9, 4), (30, 45))]),
        "sql": Row([example(f"{query} from items", databases=DATABASES) for query in QUERIES]),
        "code": Row([_function(body, f) for body, f in FUNCTIONS.items()], lists=False),
    }


def _object(key: str, value: int) -> Example:
    schema = {"type": "object", "required": [key], "properties": {key: {"type": "integer"}}}
    return example(json.dumps({key: value}), schema=schema)


def _couplet(text: str) -> Example:
    return example(text, form={"lines": 2, "rhyme": "AA", "words": text.split()[-1:]})


def _gcd(a: int, b: int) -> Example:
    answer = str(math.gcd(a, b))
    entry = {"question": "", "answer": answer, "metadata": {"numbers": [a, b], "result": math.gcd(a, b)}}
    return example(answer, gym={"dataset": "gcd", "settings": {}, "entry": values.encode(entry)})


def _function(body: str, f: Callable[[int], Any]) -> Example:
    tests = [{"args": [n], "expected": f(n)} for n in (1, 5, -2, 8, 11)]
    return example(f"def f(x):\n    return {body}", entry_point="f", tests=tests)


def _maze(path: str) -> list[str]:
    """A 3 x 3 maze whose only way from S to G is the path given."""
    cells = [["#"] * 3 for _ in range(3)]
    row = column = 0
    for step in path:
        cells[row][column] = "S" if row == column == 0 else "."
        row, column = row + (step == "D"), column + (step == "R")
    cells[2][2] = "G"
    return ["".join(line) for line in cells]


def hostile(marker: Path) -> dict[str, str]:
    """Completions that break careless verifiers; some would create ``marker`` if they were executed."""
    commands = [
        f"__import__('os').system('touch {marker}')",
        f"open({str(marker)!r}, 'w')",
        f"().__class__.__base__.__subclasses__()[-1].__init__.__globals__['os'].system('touch {marker}')",
        f"'; touch {marker}; '",
        f"$(touch {marker})",
        f'(set-option :regular-output-channel "{marker}")',
        f"attach database '{marker}' as x; create table x.t(a)",
        f"\\input{{|touch {marker}}}",
        json.dumps({"$ref": f"file://{marker}", "a": 1}),
    ]
    bodies = {
        "nothing": "", "blank": " \n ", "nul": "\0", "nul inside": "1\0 2", "lone surrogate": "\ud800",
        "bidi": "\u202e12\u202c", "zero width": "\u200b12\u200b", "unicode digits": "١٢ ⅷ ½ ²", "full width": "１２",
        "bytes": "b'\\xff\\xfe\\x00'", "nan": "NaN", "infinity": "-Infinity", "null": "null", "true": "True",
        "huge exponent": "1e999999999", "tower of powers": "9**9**9**9**9", "latex tower": "$9^{9^{9^{9}}}$",
        "factorial": "10000000!", "digits": "9" * 15_000, "fraction": "1/" + "3" * 15_000, "minus": "-" * 15_000 + "1",
        "brackets": "(" * 15_000, "deep JSON": "[" * 15_000, "deep objects": '{"a":' * 3_000, "commas": "1," * 7_000,
        "or": " or ".join("1" * 5_000), "same letter": "a" * 19_000, "moves": "RLDU" * 4_000, "lines": "x\n" * 9_000,
        "duplicate keys": '{"a":1,"a":1}', "markup": "<answer><b></answer", "format string": "{0.__class__} %s %n",
    }  # fmt: skip
    whole = {
        "empty": "", "only open": "<answer>12", "only close": "12</answer>", "nested": tagged(tagged("12")),
        "a megabyte": "x" * MEGABYTE, "a megabyte inside": tagged("9" * MEGABYTE),
        "a megabyte of tags": "<answer>" * (MEGABYTE // 8), "a megabyte of pairs": tagged("1") * (MEGABYTE // 18),
        "a megabyte of prose": "the answer is 1. " * (MEGABYTE // 17),
        "a megabyte of boxes": "\\boxed{" * (MEGABYTE // 7), "latin-1": bytes(range(256)).decode("latin-1") * 20,
    }  # fmt: skip
    return {**whole, **{name: tagged(body) for name, body in bodies.items()}, **{c[:30]: tagged(c) for c in commands}}


def gold_answers_score_one(verifier: Verifier, row: Row, _marker: Path) -> None:
    scores = verifier.score([tagged(e.answer) for e in row.examples], row.examples)
    assert verifier.graded or [score.reward for score in scores] == [1.0] * len(scores), scores


def other_answers_score_nothing(verifier: Verifier, row: Row, _marker: Path) -> None:
    if not row.tied:
        return
    pairs = [(a, b) for a in row.examples for b in row.examples if a.answer != b.answer]
    scores = verifier.score([tagged(a.answer) for a, _ in pairs], [b for _, b in pairs])
    assert sum(score.reward for score in scores) / len(scores) <= 0.05


def silence_scores_nothing(verifier: Verifier, row: Row, _marker: Path) -> None:
    for completion in ("", " ", tagged(""), tagged("  "), "I do not know."):
        if row.needs_answer:
            assert verifier(completion, row.examples[0]).reward == 0, completion


def lists_score_nothing(verifier: Verifier, row: Row, _marker: Path) -> None:
    if not (row.tied and row.lists):
        return
    answers = [e.answer for e in row.examples]
    shouted = ["".join(map(tagged, answers)), " ".join(f"The answer is {answer}." for answer in answers)]
    for completion in [*(tagged(joint.join(answers)) for joint in (", ", " or ", " ", "\n", " / ", ";")), *shouted]:
        rewards = [verifier(completion, e).reward for e in row.examples]
        assert max(rewards) == 0, completion


def nothing_raises_and_rewards_stay_in_range(verifier: Verifier, row: Row, marker: Path) -> None:
    completions = list(hostile(marker).values())
    examples = [row.examples[i % len(row.examples)] for i in range(len(completions))]
    start = time.monotonic()
    scores = verifier.score(completions, examples)
    assert time.monotonic() - start < SECONDS_FOR_HOSTILE_BATCH
    assert len(scores) == len(completions)
    for score in scores:
        check_score(score)
        # The base class turns what a verifier raises into a verifier_error: on text alone none of ours may need it.
        assert not score.detail.startswith("the verifier raised"), score.detail


def check_score(score: Any) -> None:
    values = {"reward": score.reward, **score.parts}
    assert {"correct", "format"} <= set(score.parts)
    for name, value in values.items():
        assert isinstance(value, float | int), name
        assert math.isfinite(value), name
        assert 0 <= value <= 1, name


def code_in_an_answer_does_not_run(verifier: Verifier, row: Row, marker: Path) -> None:
    for completion in hostile(marker).values():
        if str(marker) in completion:
            verifier(completion, row.examples[0])
    assert not marker.exists()


def scoring_twice_gives_the_same(verifier: Verifier, row: Row, marker: Path) -> None:
    answers = [tagged(e.answer) for e in row.examples] + [tagged("12"), "", tagged("x"), tagged("the cat and the hat")]
    examples = [*row.examples, *row.examples[:4]]
    assert verifier.score(answers, examples) == verifier.score(answers, examples)


def a_batch_is_scored_as_its_items_are(verifier: Verifier, row: Row, _marker: Path) -> None:
    answers = [tagged(e.answer) for e in row.examples[:4]]
    alone = [verifier(answer, e).reward for answer, e in zip(answers, row.examples, strict=False)]
    together = [score.reward for score in verifier.score(answers, row.examples[:4])]
    assert all(abs(a - b) < 1e-4 for a, b in zip(alone, together, strict=True))
    assert verifier.score([], []) == []


def untagged_answers_score_nothing_when_strict(verifier: Verifier, row: Row, _marker: Path) -> None:
    if row.needs_answer:
        assert verifier(f"The answer is {row.examples[0].answer}", row.examples[0]).reward == 0


def only_what_follows_the_thinking_counts(verifier: Verifier, row: Row, _marker: Path) -> None:
    right, example = tagged(row.examples[0].answer), row.examples[0]
    wrong = tagged(row.examples[1].answer)
    for completion, said in (
        (f"<think>{wrong} or The answer is 3. </think>{right}", right),
        (f"<think>{right}</think>\n\n{wrong}", f"\n\n{wrong}"),
        (f"{right}</think> I do not know.", " I do not know."),
        (f"<think>a</think>{wrong}<think>b</think>{right}", right),
        (f"<think>{right}</think>", ""),
        (f"<think>{right}", ""),
        (f"<think>a</think>{right}<think>", ""),
    ):
        assert verifier(completion, example) == verifier(said, example), completion


CHECKS: tuple[Callable[[Verifier, Row, Path], None], ...] = (
    gold_answers_score_one,
    other_answers_score_nothing,
    silence_scores_nothing,
    lists_score_nothing,
    nothing_raises_and_rewards_stay_in_range,
    code_in_an_answer_does_not_run,
    scoring_twice_gives_the_same,
    a_batch_is_scored_as_its_items_are,
    untagged_answers_score_nothing_when_strict,
    only_what_follows_the_thinking_counts,
)


def check_verifier(verifier: Verifier, row: Row, marker: Path) -> None:
    """Every check, in order; raises at the first that fails."""
    for check in CHECKS:
        check(verifier, row, marker)
