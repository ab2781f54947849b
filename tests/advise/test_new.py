"""From a data file to a grid that passes its check."""

import csv
import json

import pytest

from rftlab.advise.new import new, sniff
from rftlab.cli import main
from rftlab.errors import RftlabError
from rftlab.grid import Grid

TICKETS = [
    {"Subject": f"Ticket {i}", "Body": f"The {what} number {i} {says}", "Label": label}
    for i in range(40)
    for what, says, label in (("invoice", "is wrong", "billing"), ("app", "does not start", "bug"))
]
SUMS = [{"question": f"What is {i} + {i * i}?", "answer": f"We add <<{i}>>{i}. #### {i + i * i}"} for i in range(150)]
KINDS = {
    "choice": [
        {"prompt": f"Which of {i}?", "answer": "ABCD"[i % 4], "choices": ["w", "x", "y", "z"]} for i in range(60)
    ],
    "json-schema": [{"prompt": f"Item {i}", "answer": {"name": f"n{i}", "amount": i}} for i in range(60)],
    "numeric": [{"prompt": f"How far is {i}?", "answer": f"{i} km"} for i in range(60)],
    "math": [{"prompt": f"Root of {i}?", "answer": f"\\\\sqrt{{{i}}}"} for i in range(60)],
    "exact": [{"prompt": f"Name number {i}", "answer": f"name of {i} {'xyz'[i % 3]}"} for i in range(60)],
}


def jsonl(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture
def tickets(tmp_path):
    """As Excel saves a sheet in Western Europe: semicolons, cp1252, an empty last row."""
    path = tmp_path / "tickets.csv"
    with path.open("w", encoding="cp1252", newline="") as file:
        writer = csv.DictWriter(file, ["Subject", "Body", "Label"], delimiter=";")
        writer.writeheader()
        writer.writerows([*TICKETS[:-1], {**TICKETS[-1], "Body": "Die Rechnung f\u00fcr \u00c4rzte ist falsch"}])
        file.write(";;\n")
    return path


def test_tickets_from_excel_become_a_grid_that_passes_its_check(tickets, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "tickets.csv", "--model", "tiny-base"]) == 0
    assert "next: look at it, then rftlab check tickets.yaml" in capsys.readouterr().out
    text = (tmp_path / "tickets.yaml").read_text()
    assert "path: tickets.csv" in text
    assert "  verifier: exact   # there are 2 different answers: classes\n" in text
    cell = next(cell for cell in Grid.load(tmp_path / "tickets.yaml").cells if cell.method == "sft")
    assert cell.task_settings["encoding"] == "cp1252"
    assert cell.task_settings["instructions"] == "Answer with one of: {classes}."
    task = sniff(tickets).task
    assert "Ticket" in task.train[0].prompt
    assert {example.answer for example in task.train} == {"billing", "bug"}
    assert main(["check", "tickets.yaml"]) == 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_unicode_text_from_excel_is_read_by_its_encoding(tmp_path, encoding):
    path = tmp_path / "tickets.tsv"
    lines = ["prompt\tanswer", *(f"Wie viel ist {i} mal 2, für Ärzte?\t{2 * i}" for i in range(60))]
    path.write_bytes("\r\n".join(lines).encode(encoding))
    [grid] = new(path, tmp_path / "g.yaml", model="tiny-base")
    assert f"encoding: {encoding}\n" in grid.read_text()
    assert "für Ärzte" in sniff(path).task.train[0].prompt
    (tmp_path / "test.tsv").write_text("prompt\tanswer\nx\t1\n")
    with pytest.raises(RftlabError, match="different encodings; save both as UTF-8"):
        sniff(path, test=tmp_path / "test.tsv")


def test_how_the_rows_are_read_is_said(tmp_path, tickets, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chat = [
        {"messages": [{"role": "user", "content": f"{i}?"}, {"role": "assistant", "content": str(i)}]} for i in range(9)
    ]
    jsonl(tmp_path / "chat.jsonl", chat)
    assert main(["new", "chat.jsonl"]) == 0
    said = capsys.readouterr().out
    assert "chat.jsonl: read as OpenAI chat rows (messages)" in said
    assert "verifier numeric: the answers are numbers" in said
    assert main(["new", "tickets.csv"]) == 0
    assert "columns: prompt '{Subject}\\n{Body}', answer 'Label'" in capsys.readouterr().out


def test_a_few_numbers_again_and_again_may_be_classes(tmp_path):
    found = sniff(jsonl(tmp_path / "d.jsonl", [{"text": f"t{i}", "label": i % 3} for i in range(60)]))
    assert (found.verifier, found.why[:21]) == ("numeric", "3 different numbers; ")


def test_few_rows_make_a_grid_that_a_run_takes(tmp_path, capsys):
    [path] = new(jsonl(tmp_path / "d.jsonl", KINDS["numeric"][:3]), tmp_path / "g.yaml", model="tiny-base")
    assert main(["check", str(path)]) == 0
    assert "labels: [2]" in path.read_text()


def test_rationales_before_a_marker_are_found(tmp_path):
    [path] = new(jsonl(tmp_path / "sums.jsonl", SUMS), tmp_path / "g.yaml", model="tiny-base")
    text = path.read_text()
    assert 'answer_after: "####"' in text
    assert 'drop_pattern: "<<.*?>>"' in text
    assert "cot: true" in text
    assert "verifier: numeric" in text
    assert main(["check", str(path)]) == 0


@pytest.mark.parametrize("verifier", KINDS)
def test_who_judges_is_found_from_the_answers(verifier, tmp_path):
    found = sniff(jsonl(tmp_path / "d.jsonl", KINDS[verifier]))
    assert found.verifier == verifier
    assert found.why


def test_few_rows_take_development_items_out_of_the_labels(tmp_path):
    [path] = new(jsonl(tmp_path / "few.jsonl", KINDS["numeric"][:30]), tmp_path / "g.yaml", model="tiny-base")
    assert "development: from_labels" in path.read_text()
    assert {cell.labels for cell in Grid.load(path).cells} == {0, 10}


def test_fewer_than_300_rows_are_dealt_into_folds_which_the_check_names(tmp_path, capsys):
    [path] = new(jsonl(tmp_path / "few.jsonl", KINDS["numeric"]), tmp_path / "g.yaml", model="tiny-base")
    text = path.read_text()
    assert "  folds: 5   # below 300 rows: no room for a test part; 5 seeds test each row once\n" in text
    assert "60 rows, of which each seed is tested on a fifth" in text
    grid = Grid.load(path)
    assert {cell.seed for cell in grid.cells} == set(range(5))
    assert {cell.labels for cell in grid.cells} == {0, 10, 30}
    assert grid.plan.max_seeds == 5
    assert main(["check", str(path)]) == 0
    said = capsys.readouterr().out
    assert "60 rows in 5 folds" in said
    assert "few: 1 whole repeat of 5 folds" in said


def test_enough_rows_have_a_test_part_of_their_own(tmp_path):
    rows = [{"prompt": f"How far is {i}?", "answer": f"{i} km"} for i in range(300)]
    [path] = new(jsonl(tmp_path / "many.jsonl", rows), tmp_path / "g.yaml", model="tiny-base")
    assert "folds" not in path.read_text()
    assert {cell.seed for cell in Grid.load(path).cells} == {0, 1, 2}


def test_a_verifier_to_begin_with_passes_its_own_examples(tmp_path):
    data = jsonl(tmp_path / "d.jsonl", KINDS["exact"])
    grid, own = new(data, tmp_path / "g.yaml", model="tiny-base", checks=True)
    names = {"__name__": "checks"}
    exec(own.read_text(), names)
    import doctest

    tests = doctest.DocTestFinder().find(names["score"], "score", module=False, globs=names)
    assert doctest.DocTestRunner().run(tests[0]) == (0, 2)
    assert main(["check", str(grid)]) == 0


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            [{"a": 1, "b": 2}],
            "which of its columns (a, b) is the prompt and which the answer? say so: --columns prompt",
        ),
        (
            [{"Body": 1, "Team": 2}],
            "(Body, Team) is the answer (Body is taken as the prompt)? say so: --columns answer=... ",
        ),
        ([], "has no rows"),
        (
            [{"prompt": f"{i}?", "answer": ""} for i in range(9)],
            "none of its rows has an answer; fill them in. Rows without answers are for a grid of your own",
        ),
        ([{"data": {"q": "a", "a": "b"}}], "a dotted name reaches into an object: data.q"),
        (
            [{"question": f"{i}?", "choices": ["ab", "cd"], "answerKey": i % 2} for i in range(9)],
            "none of the options in its column choices, neither letter nor text; where they are positions",
        ),
        ([{"prompt": "same", "answer": "x"}] * 9, "all 9 rows with answers have one prompt"),
        (
            KINDS["exact"][:2],
            "2 rows with answers and 2 different prompts; a study needs at least 2 to train on and one",
        ),
    ],
)
def test_what_the_file_does_not_say_is_asked_for(rows, says, tmp_path):
    with pytest.raises(RftlabError) as raised:
        new(jsonl(tmp_path / "d.jsonl", rows), tmp_path / "g.yaml")
    assert says in str(raised.value)
    assert not (tmp_path / "g.yaml").exists()


def test_nothing_is_written_over(tmp_path):
    data = jsonl(tmp_path / "d.jsonl", KINDS["numeric"])
    (tmp_path / "g.yaml").write_text("mine")
    with pytest.raises(RftlabError, match="there already"):
        new(data, tmp_path / "g.yaml")
    assert (tmp_path / "g.yaml").read_text() == "mine"


def test_held_out_rows_of_their_own_are_named_in_the_grid(tmp_path):
    data, test = jsonl(tmp_path / "train.jsonl", SUMS[:100]), jsonl(tmp_path / "test.jsonl", SUMS[100:])
    [path] = new(data, tmp_path / "g.yaml", model="tiny-base", test=test)
    assert "test_path: test.jsonl" in path.read_text()
    assert "100 rows to train on, 50 held out" in path.read_text()
    with pytest.raises(RftlabError, match="there is no data file none.jsonl"):
        new(data, tmp_path / "h.yaml", test="none.jsonl")
