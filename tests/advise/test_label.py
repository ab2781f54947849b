"""A verifier held against a person's marks: what is shown, kept, gone on with, and said in the end."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rftlab.advise.agreement import agreements, drawn, shown
from rftlab.advise.completions import Candidate, Pool
from rftlab.advise.marks import Marks
from rftlab.cell import Cell
from rftlab.cli import main, marking
from rftlab.errors import RftlabError
from rftlab.record import Record
from rftlab.tasks.base import load_task

ROWS = [{"prompt": f"How much is {a} plus {b}?", "answer": str(a + b)} for a in range(1, 6) for b in range(10, 18)]
# It takes any number that begins as the gold one does, and refuses words.
LAX = """
def score(completion, example):
    return float(completion.removeprefix("<answer>").startswith(example.answer[:1]))
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (tmp_path / "checks.py").write_text(LAX)
    (tmp_path / "sums.yaml").write_text(
        "task: file\ntask_settings: {path: sums.jsonl}\nverifier: checks.py:score\nlabels: 5\nmethod: sft\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def completions(path, rows):
    path.write_text("".join(json.dumps({"prompt": p, "completion": c}) + "\n" for p, c in rows))


def sit(monkeypatch, keys, *words):
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{key}\n" for key in keys)))
    return main(["check", *words])


def marked(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_marks_are_made_undone_gone_on_with_and_counted_blind_to_the_verdicts(here, monkeypatch, capsys):
    right = [(row["prompt"], f"<answer>{row['answer']}</answer>") for row in ROWS[:10]]
    wrong = [(row["prompt"], f"<answer>{row['answer'][0]}99</answer>") for row in ROWS[:10]]  # paid all the same
    words = [(row["prompt"], "<answer>seven</answer>") for row in ROWS[:30]]
    completions(here / "said.jsonl", right + wrong + words)
    command = ["sums.yaml", "--label", "6", "--completions", "said.jsonl"]
    assert sit(monkeypatch, ["w", "u", "s", "x", "q"], *command) == 0
    first = capsys.readouterr().out
    assert "1 of 6 marked, kept in sums.marks.jsonl; the same command goes on" in first
    assert not {"paid", "refused", "agreement"} & set(first.replace(":", " ").split())
    assert first.count("--- 1 of 6") == 2  # shown again once it was taken back
    assert [line["mark"] for line in marked(here / "sums.marks.jsonl")] == ["unsure"]

    assert sit(monkeypatch, ["w"] * 5, *command) == 0
    second = capsys.readouterr().out
    assert "--- 1 of 6" not in second
    assert "6 of 6 marked" in second
    prompts = [line.strip() for text in (first, second) for line in text.split("agreement")[0].splitlines()]
    assert len({line for line in prompts if line.startswith("How much")}) <= 6
    assert "sums with verifier" in second
    assert "6 completions of said.jsonl marked by hand, 1 of them not sure and left out" in second
    assert "of all 50 different completions there, of which 20 are paid" in second
    _, left = second.split("paid though wrong: ")
    assert left[0] in "23"
    assert left.count("paid with 1; answer found: ") == int(left[0])
    assert "refused though right: 0" in second

    assert sit(monkeypatch, [], *command) == 0  # all are marked: what they say, at once
    assert second.partition("6 of 6 marked")[2] == capsys.readouterr().out.partition("6 of 6 marked")[2]


def test_results_of_the_grid_are_taken_and_scored_by_the_verifier_of_now(here, monkeypatch, capsys):
    cell = Cell.make({"task": "file", "task_settings": {"path": str(here / "sums.jsonl")}})
    asked = ROWS[0] | {"part": "test", "item": "", "completion": "<answer>1</answer>", "reward": 0.0}
    rows = [asked | asdict(e) | {"item": e.id} for e in load_task("file", cell.task_settings).test[:3]]
    rows += [rows[0] | {"item": "nobody's"}, rows[0] | {"answer": "12.5"}]
    samples = [row | {"prompt": f"Question: {row['prompt']}\nAnswer:"} for row in rows]
    samples.append({"part": "mark", "item": rows[0]["item"]})
    folder = here / "results" / "sums" / "cells" / cell.id
    Record(cell.model_dump(mode="json"), cell.id, {}, {}, {}).write(folder, trace=[], samples=samples)
    assert sit(monkeypatch, ["r", "r", "r"], "sums.yaml", "--label", "9", "--marks", "mine.jsonl") == 0
    said = capsys.readouterr().out
    assert "there are only 3 completions to mark" in said
    assert "of 3 paid, 3 are right" in said
    assert "of results/sums" in said
    assert {line["prompt"] for line in marked(here / "mine.jsonl")} == {row["prompt"] for row in rows}
    others = [{"prompt": f"twice {n}?", "answer": str(2 * n)} for n in range(40)]  # of which nothing was said
    (here / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in others))
    assert sit(monkeypatch, [], "sums.yaml", "--label", "9") == 0
    assert "made from the gold answers" in capsys.readouterr().out


def test_where_no_model_wrote_anything_gold_forms_and_near_misses_are_shown_and_said_to_be(here, monkeypatch, capsys):
    assert sit(monkeypatch, ["r"] * 4, "sums.jsonl", "--label", "4", "--seed", "3") == 0
    said = capsys.readouterr().out
    assert "no completions of a model are given, so these are made from the gold answers; rftlab run leaves" in said
    assert "of those marked: no model wrote them" in said
    assert len(marked(here / "sums.marks.jsonl")) == 4


def test_nothing_in_a_completion_or_a_prompt_reaches_the_terminal_as_a_command(here, monkeypatch, capsys):
    hostile = "\x1b]0;owned\x07\x1b[2J\r\ud800 \u202e\x00 <answer>\x1b[31m1</answer>\n--- 2 of 2 ---"
    completions(here / "said.jsonl", [(ROWS[0]["prompt"], hostile), (ROWS[1]["prompt"], "x" * 100_000)])
    assert sit(monkeypatch, ["w", "r"], "sums.yaml", "--label", "2", "--completions", "said.jsonl") == 0
    said = capsys.readouterr().out
    assert all(character.isprintable() or character == "\n" for character in said)
    assert r"\x1b]0;owned" in said
    assert "94,000 characters left out" in said
    assert said.count("\n--- 2 of 2 ---") == 1  # of the two, one is indented
    assert "    --- 2 of 2 ---\n" in said


def test_the_commands_of_the_docs_run(here, monkeypatch, capsys):
    rows = [{"Subject": f"Ticket {n}: it is broken", "Label": "login" if n % 3 else "billing"} for n in range(40)]
    (here / "tickets.csv").write_text("Subject,Label\n" + "".join(f"{r['Subject']},{r['Label']}\n" for r in rows))
    (here / "tickets.yaml").write_text(
        "task: file\ntask_settings: {path: tickets.csv, columns: {prompt: Subject, answer: Label}}\nlabels: 5\n"
    )
    completions(here / "said.jsonl", [(row["Subject"], "<answer>login</answer>") for row in rows])
    cell = Cell.make({"task": "file"})
    samples = [{"item": "", "completion": "<answer>login</answer>"}]
    for example in load_task("file", {"path": "tickets.csv", "columns": {"prompt": "Subject", "answer": "Label"}}).test:
        samples.append(samples[0] | asdict(example) | {"item": example.id})
    folder = here / "results" / "tickets" / "cells" / cell.id
    Record(cell.model_dump(mode="json"), cell.id, {}, {}, {}).write(folder, trace=[], samples=samples)
    page = (Path(__file__).parents[2] / "docs" / "verifier_and_person.md").read_text()
    commands = re.search(r"```sh\n(.*?)```", page, flags=re.DOTALL)[1].splitlines()
    for command in commands:
        assert sit(monkeypatch, ["r"] * 30, *shlex.split(command)[2:]) == 0
        assert "agreement" in capsys.readouterr().out


@given(st.text(st.characters()), st.integers(4, 40))
@settings(max_examples=60, deadline=None)
def test_any_text_is_shown_in_printable_lines(text, most):
    lines = shown(text, most).split("\n")
    assert all(line.isprintable() and line.startswith("    ") for line in lines)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["sums.yaml", "--marks", "m.jsonl"], "--marks is for completions that are marked by hand"),
        (["sums.yaml", "--label", "3", "--completions", "none"], "there are no completions in none"),
        (["sums.yaml", "--label", "3", "--completions", "sums.jsonl"], "sums.jsonl line 1 is no completion"),
        (["sums.yaml", "--label", "3", "--marks", "sums.jsonl"], "sums.jsonl line 1 is no mark"),
        (["sums.yaml", "--label", "3", "--completions", "other.jsonl"], "holds no completion of an item of sums"),
        (["sums.yaml", "--label", "3", "--marks", "no/such/m.jsonl"], "cannot keep marks in no/such/m.jsonl"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_files_alone(here, monkeypatch, capsys, words, problem):
    completions(here / "other.jsonl", [("Who?", "me")])
    before = {path: path.read_bytes() for path in here.iterdir()}
    assert sit(monkeypatch, ["r"], *words) == 2
    assert problem in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals")
def test_single_keys_are_enough_in_a_terminal(tmp_path):
    import pty

    code = (
        "from pathlib import Path\nfrom rftlab.advise.completions import Candidate\n"
        "from rftlab.advise.marks import Marks\n"
        "from rftlab.cli.marking import mark\n"
        "print(mark([Candidate(str(n), 'j', 'p', 'a', 'c', True, 1.0) for n in range(3)], Marks(Path('m.jsonl'))))"
    )
    terminal, other = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", code], stdin=other, stdout=subprocess.PIPE, cwd=tmp_path) as process:
        os.write(terminal, b"rRuw?s")
        try:
            said, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    os.close(terminal)
    os.close(other)
    assert said.decode().rstrip().endswith("True")
    assert [(line["key"], line["mark"]) for line in marked(tmp_path / "m.jsonl")] == [
        ("0", "right"), ("1", "wrong"), ("2", "unsure"),
    ]  # fmt: skip


def candidate(number, paid, judge="t with verifier v"):
    return Candidate(f"{number:016x}", judge, f"p{number}", "a", f"c{number}", paid, float(paid))


POOL = Pool("results/x", tuple(candidate(n, n % 20 == 0) for n in range(400)))


def test_as_many_paid_as_refused_are_drawn_and_the_order_does_not_tell_them_apart(tmp_path):
    marks = Marks(tmp_path / "m.jsonl")
    chosen = drawn(POOL, 30, marks)
    assert sum(each.paid for each in chosen) == 15
    assert 3 <= sum(each.paid for each in chosen[:15]) <= 12
    assert chosen == drawn(replace(POOL, candidates=POOL.candidates[::-1]), 30, marks)
    assert chosen != drawn(POOL, 30, marks, seed=1)


def test_what_is_marked_is_drawn_again_and_the_rest_as_before(tmp_path):
    marks = Marks(tmp_path / "m.jsonl")
    chosen = drawn(POOL, 30, marks)
    for each in chosen[:11]:
        marks.set(each, "right")
    again = Marks(tmp_path / "m.jsonl")
    assert drawn(POOL, 30, again) == chosen
    assert set(chosen) < set(drawn(POOL, 40, again))
    assert set(chosen[:11]) < set(drawn(POOL, 12, again))


def test_one_side_is_shown_alone_where_the_other_is_missing_or_short(tmp_path):
    marks = Marks(tmp_path / "m.jsonl")
    assert len(drawn(Pool("x", POOL.candidates[1:20]), 30, marks)) == 19
    assert sum(each.paid for each in drawn(Pool("x", POOL.candidates[:100]), 30, marks)) == 5


def test_the_agreement_is_of_all_completions_although_rare_verdicts_are_drawn_more(tmp_path):
    marks = Marks(tmp_path / "m.jsonl")
    chosen = drawn(POOL, 30, marks)
    paid = [each for each in chosen if each.paid]
    for each in chosen:  # a third of what is paid is wrong; of the refused all is
        marks.set(each, "right" if each in paid[5:] else "wrong")
    (found,) = agreements(POOL, chosen, marks)
    assert found.shares == (20, 380)
    assert found.table.tolist() == [[10, 5], [0, 15]]
    assert found.accuracy.estimate == pytest.approx(0.05 * 10 / 15 + 0.95)
    assert found.accuracy.low < found.accuracy.estimate < found.accuracy.high <= 1
    p, agreed = 0.05 * 10 / 15, 0.05 * 10 / 15 + 0.95
    chance = 0.05 * p + 0.95 * (1 - p)
    assert found.kappa == pytest.approx((agreed - chance) / (1 - chance))
    assert "of 15 paid, 10 are right: 0.67 [0.42, 0.85]" in str(found)
    assert str(found).count("paid with 1; no answer found") == 5


def test_each_verifier_has_an_agreement_of_its_own(tmp_path):
    other = tuple(candidate(n, True, "t with verifier w") for n in range(1000, 1010))
    pool, marks = Pool("x", (*POOL.candidates, *other)), Marks(tmp_path / "m.jsonl")
    chosen = drawn(pool, 30, marks)
    for each in chosen:
        marks.set(each, "wrong")
    first, second = agreements(pool, chosen, marks)
    assert (len(first.marked), len(second.marked)) == (20, 10)
    assert second.accuracy.estimate == 0
    assert "kappa undefined" in str(second)
    assert "of 0 refused, 0 are wrong: unknown, none is marked" in str(second)


def test_a_damaged_file_of_marks_is_named_and_left(tmp_path):
    path = Path(tmp_path / "m.jsonl")
    path.write_text('{"key": "a", "mark": "right"}\n{"key": "b", "mark": "perhaps"}\n')
    with pytest.raises(RftlabError, match="line 2 is no mark; mend it, or name another file with --marks"):
        Marks(path)


def test_undo_reaches_back_into_an_earlier_sitting(tmp_path, monkeypatch, capsys):
    chosen = [candidate(n, True) for n in range(3)]
    Marks(tmp_path / "m.jsonl").set(chosen[0], "wrong")
    monkeypatch.setattr(sys, "stdin", io.StringIO("u\nu\nr\n"))
    marks = Marks(tmp_path / "m.jsonl")
    assert not marking.mark(chosen, marks)  # the input ends before all are marked
    assert marks[chosen[0]] == "right"
    assert "nothing is marked yet" in capsys.readouterr().out
