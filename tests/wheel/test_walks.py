"""From a data file to a finished report, as README and docs say it, with the installed wheel in an empty folder.

The tiny base and two steps stand for a real model: what is asserted is what a person reads, not what is learnt.
"""

import csv
import io
import json
import random

import pytest

TEAMS = {
    "billing": ("invoice", "refund", "payment", "price"),
    "delivery": ("parcel", "courier", "address", "box"),
    "login": ("password", "account", "code", "screen"),
}


def sheet(rows: int) -> str:
    """A sheet of tickets as Excel saves it: semicolons, Windows' line ends, empty last rows."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";")
    writer.writerow(["Ticket", "Subject", "Body", "Team"])
    for i in range(rows):
        team = [*TEAMS][i % 3]
        what = TEAMS[team][i // 3 % 4]
        writer.writerow([1000 + i, f"My {what}", f"The {what} of order {i} is wrong; please look — it's urgent", team])
    return text.getvalue() + ";;;\r\n;;;\r\n"


def apples(rows: int, names: str) -> list[tuple[str, str, int]]:
    """Question, worked steps and answer of different problems, in words that the tiny base knows."""
    numbers = [(a, b, c) for a in range(2, 10) for b in range(1, 9) for c in range(1, 9)]
    chosen = random.Random(names).sample(numbers, rows)
    return [
        (
            f"{names} has {a} apples, gets {b}, finds {c}. How many apples now?",
            f"{a}+{b}={a + b}, {a + b}+{c}={a + b + c}.",
            a + b + c,
        )
        for a, b, c in chosen
    ]


def jsonl(rows: list[dict[str, object]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
def test_tickets_from_excel_to_a_report(newcomer, encoding):
    newcomer.writes("tickets.csv", sheet(90), encoding)
    asked = newcomer.types("rftlab new tickets.csv --model tiny-base", expect=2)
    assert "which of its columns (Ticket, Subject, Body, Team) is the answer" in asked
    written = newcomer.types("rftlab new tickets.csv --model tiny-base --columns answer=Team")
    assert (
        "next: look at it, then rftlab check tickets.yaml, rftlab show tickets.yaml, rftlab run tickets.yaml" in written
    )
    grid = (newcomer.folder / "tickets.yaml").read_text(encoding="utf-8")
    assert "path: tickets.csv" in grid
    assert ("encoding: cp1252" in grid) == (encoding == "cp1252")
    assert "Answer with one of: {classes}." in grid
    newcomer.shortens("tickets.yaml", method="[base, sft]", labels="10", seed="0")
    checked = newcomer.types("rftlab check tickets.yaml")
    assert "tickets with verifier exact" in checked
    assert "3 classes: billing, delivery, login" in checked
    assert checked.endswith("passed\n")
    answer = newcomer.runs("tickets.yaml", cells=2)
    assert "SFT" in answer[1]
    assert "Tiny base: no evidence about large models" in answer[2]


@pytest.mark.slow
def test_gsm8k_rows_to_a_report(newcomer):
    for name, who, rows in (("train", "Ann", 100), ("test", "Tom", 40)):
        solved = [
            {"question": question, "answer": f"{steps.replace('=', '=<<>>', 1)}\n#### {result}"}
            for question, steps, result in apples(rows, who)
        ]
        newcomer.writes(f"{name}.jsonl", jsonl(solved))
    newcomer.types("rftlab new train.jsonl --test test.jsonl -o sums.yaml --model tiny-base")
    grid = (newcomer.folder / "sums.yaml").read_text()
    assert "100 rows to train on, 40 held out" in grid
    assert "test_path: test.jsonl" in grid
    assert 'answer_after: "####"' in grid
    assert "verifier: numeric" in grid
    newcomer.shortens("sums.yaml", labels="[10, 30]", seed="[0, 1]")
    assert newcomer.types("rftlab check sums.yaml").endswith("passed\n")
    shown = newcomer.types("rftlab show sums.yaml --examples 1")
    assert "with chain-of-thought, judged by numeric" in shown
    assert "<<" not in shown
    assert "<answer>" in shown
    answer = newcomer.runs("sums.yaml", cells=10)
    newcomer.comes_back("sums", 10, answer)
    assert "SFT takes accuracy from" in answer[1]
    assert "2 seeds x 20 items" in answer[2]


@pytest.mark.slow
def test_chat_rows_with_a_reference_answer_to_a_report(newcomer):
    rows = [
        {
            "messages": [
                {"role": "system", "content": "Answer with a number."},
                {"role": "user", "content": question},
            ],
            "reference_answer": str(result),
            "level": "easy",
        }
        for question, _, result in apples(120, "Mia")
    ]
    newcomer.writes("data/chat.jsonl", jsonl(rows))
    newcomer.types("rftlab new data/chat.jsonl --model tiny-base")
    assert "path: data/chat.jsonl" in (newcomer.folder / "chat.yaml").read_text()
    newcomer.shortens("chat.yaml", labels="10", seed="[0, 1]")
    checked = newcomer.types("rftlab check chat.yaml")
    assert "read as OpenAI or Nova RFT rows" in checked
    assert checked.endswith("passed\n")
    assert "Q: Answer with a number." in newcomer.types("rftlab show chat.yaml --examples 1")
    answer = newcomer.runs("chat.yaml", cells=6)
    assert "SFT against GRPO" in answer[1]


RULES = '''"""Nim with one heap: who takes the last stone wins."""

MOST = 3


def wins(stones, taken):
    """Whether taking so many leaves the other a lost heap."""
    return 1 <= taken <= min(MOST, stones) and (stones - taken) % (MOST + 1) == 0
'''
GAME = '''"""Nim: how many stones to take."""

from rules import MOST, wins

from rftlab.tasks.base import Example, Task

CARD = "Nim with one heap, made here. Right is any move that wins. It cannot tell playing from counting modulo 4."


def load() -> Task:
    rows = [
        Example(f"nim-{n}", f"{n} stones. Take 1 to {MOST}. How many?", str(n % 4), meta={"stones": n})
        for n in range(5, 300)
        if n % 4
    ]
    return Task(name="nim", card=CARD, train=tuple(rows[::2]), test=tuple(rows[1::2]), verifier="referee.py:score")
'''
REFEREE = '''"""Any winning move is right."""

from rules import wins


def score(answer, example):
    return float(answer.isdigit() and wins(example.meta["stones"], int(answer)))
'''


@pytest.mark.slow
def test_an_own_game_with_an_own_verifier_to_a_report(newcomer):
    for name, text in (("rules.py", RULES), ("nim.py", GAME), ("referee.py", REFEREE)):
        newcomer.writes(f"game/{name}", text)
    assert "Verifier: " in newcomer.types("rftlab tasks game/nim.py:load")
    grid = "task: game/nim.py:load\nmethod: [base, sft, grpo]\ncot: false\nlabels: 10\nseed: [0, 1]\n"
    newcomer.writes("nim.yaml", grid)
    newcomer.shortens("nim.yaml")
    checked = newcomer.types("rftlab check nim.yaml")
    assert "nim with verifier referee" in checked
    assert "is given the extracted answer" in checked
    assert checked.endswith("passed\n")
    answer = newcomer.runs("nim.yaml", cells=6)
    assert "SFT against GRPO" in answer[1]
    assert "nim, direct, tiny-base" in newcomer.reads("results/nim")
    # An edit of the neighbour makes other cells, and the next run says so before it does anything.
    newcomer.writes("game/rules.py", RULES.replace("MOST = 3", "MOST = 3  # stones"))
    again = newcomer.types("rftlab run nim.yaml --dry-run")
    assert "0 done, 6 left" in again
    assert "rules.py" in again
