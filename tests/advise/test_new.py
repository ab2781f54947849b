"""From a data file to a grid that passes its check."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from rftlab.advise.new import new, sniff
from rftlab.cli import main
from rftlab.errors import RftlabError
from rftlab.grid import Grid

CASES = Path(__file__).parents[1] / "cases"
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


def test_the_last_box_of_a_solution_is_the_answer_and_the_solution_its_rationale(tmp_path):
    rows = [
        {
            "problem": f"What is {i}+1?",
            "solution": rf"We add, as \boxed{{1}} says. It is $\boxed{{\frac{{{i + 1}}}{{1}}}}$.",
        }
        for i in range(60)
    ]
    [path] = new(jsonl(tmp_path / "math.jsonl", rows), tmp_path / "g.yaml", model="tiny-base")
    text = path.read_text()
    assert "answer_after:" in text
    assert "cot: true" in text
    found = sniff(tmp_path / "math.jsonl")
    by_prompt = {example.prompt: example for example in found.task.train + found.task.test}
    asked = by_prompt["What is 6+1?"]
    assert asked.answer == r"\frac{7}{1}"
    assert asked.rationale == rows[6]["solution"]
    assert main(["check", str(path)]) == 0


def test_prose_that_ends_in_the_answer_is_said_to_be_a_whole_solution(tmp_path):
    rows = [{"prompt": f"What is {i} times 8?", "answer": f"We multiply. So it is {8 * i}."} for i in range(60)]
    said = []
    new(jsonl(tmp_path / "d.jsonl", rows), tmp_path / "g.yaml", model="tiny-base", say=said.append)
    assert any("the answers read like whole solutions ('We multiply. So it is" in note for note in said)
    assert not any("whole solutions" in note for note in notes_on(KINDS["numeric"], tmp_path))


def notes_on(rows, folder):
    said = []
    new(jsonl(folder / "notes.jsonl", rows), folder / "notes.yaml", model="tiny-base", say=said.append)
    return said


@pytest.mark.parametrize("names", [("A", "B", "C", "D"), ("option_a", "option_b", "option_c", "option_d")])
def test_options_in_columns_of_their_own_stand_in_the_prompt_and_are_the_verifiers_choices(tmp_path, names):
    rows = [
        {
            "question": f"Which of {i}?",
            **dict(zip(names, ("w", "x", "y", f"z{i}"), strict=True)),
            "answer": "ABCD"[i % 4],
        }
        for i in range(60)
    ]
    [path] = new(jsonl(tmp_path / "d.jsonl", rows), tmp_path / "g.yaml", model="tiny-base")
    found = sniff(tmp_path / "d.jsonl")
    assert found.verifier == "choice"
    one = next(e for e in found.task.train + found.task.test if "of 7?" in e.prompt)
    assert one.prompt == "Which of 7?\nA) w\nB) x\nC) y\nD) z7"
    assert one.meta["choices"] == ["w", "x", "y", "z7"]
    assert main(["check", str(path)]) == 0


def test_columns_that_are_operands_are_no_options(tmp_path):
    rows = [{"question": f"{i} + 1 + 2?", "a": i, "b": 1, "c": 2, "answer": i + 3} for i in range(60)]
    found = sniff(jsonl(tmp_path / "d.jsonl", rows))
    assert found.verifier == "numeric"
    assert [note for note in found.notes if note.startswith("not used: a, b, c;")]


QUERIES = [
    {
        "question": f"Names of people older than {age}.",
        "answer": f"select name from p where age > {age}",
        "databases": ["create table p(name, age); insert into p values ('Ann', 30)",
                      "create table p(name, age); insert into p values ('Bo', 40), ('Cy', 5)"],
    }
    for age in range(60)
]  # fmt: skip


def test_the_verifier_whose_columns_are_there_is_proposed(tmp_path):
    found = sniff(jsonl(tmp_path / "sql.jsonl", QUERIES))
    assert (found.verifier, found.why) == ("sql", "the rows have its columns (databases)")
    assert found.settings["columns"]["meta"] == ["databases"]
    assert len(found.task.train[0].meta["databases"]) == 2
    one = [{**row, "databases": row["databases"][:1]} for row in QUERIES]
    found = sniff(jsonl(tmp_path / "one.jsonl", one))
    assert found.verifier == "exact"
    assert found.notes[0].startswith("columns databases are those of verifier sql, which refuses gold: ")


@pytest.mark.parametrize("name", ["mbpp", "humaneval"])
def test_published_problems_of_code_get_the_task_that_reads_them(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(CASES / f"{name}_format.jsonl", tmp_path / "problems.jsonl")
    said = []
    (grid,) = new("problems.jsonl", say=said.append)
    assert f"the columns are {name}'s: task code/{name}" in said
    cell = Grid.load(grid).cells[0]
    assert (cell.task, cell.task_settings["path"]) == (f"code/{name}", str(tmp_path / "problems.jsonl"))


def test_columns_that_nothing_reads_are_named(tmp_path):
    rows = [{**row, "level": 3, "id": i} for i, row in enumerate(KINDS["numeric"])]
    assert [note for note in notes_on(rows, tmp_path) if note.startswith("not used: level; name in columns.meta")]
    assert sniff(jsonl(tmp_path / "p.jsonl", KINDS["numeric"])).notes == ()


def test_a_decimal_comma_becomes_a_point(tmp_path):
    path = tmp_path / "german.csv"
    path.write_text("prompt;answer\n" + "\n".join(f"Was ist {i} halbe?;{1000 * (i % 2) + i / 2:,.1f}".replace(",", "#")
                    .replace(".", ",").replace("#", ".") for i in range(60)))  # fmt: skip
    found = sniff(path)
    assert (found.settings["decimal"], found.verifier) == (",", "numeric")
    by_prompt = {example.prompt: example.answer for example in found.task.train + found.task.test}
    assert by_prompt["Was ist 7 halbe?"] == "1003.5"
    english = [{"prompt": f"{i}?", "answer": f"{1000 + i:,}"} for i in range(60)]
    assert "decimal" not in sniff(jsonl(tmp_path / "e.jsonl", english)).settings


def test_classes_that_differ_in_case_alone_are_said(tmp_path):
    rows = [{"text": f"review {i}", "label": ("NEG", "neg", "Pos", "pos")[i % 4]} for i in range(80)]
    [said] = [note for note in notes_on(rows, tmp_path) if "written in several ways" in note]
    assert said.startswith("2 of 2 classes are written in several ways")
    assert "'NEG' (20), 'neg' (20)" in said


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


@pytest.mark.parametrize(
    ("out", "given", "says"),
    [
        ("g.yaml", {"verifier": "exactly"}, "unknown verifier 'exactly'; did you mean exact"),
        ("g.yaml", {"model": "tiny-bsae"}, "model 'tiny-bsae' is neither a directory nor a hub id"),
        ("g", {}, "g is no name of a grid; give one that ends in .yaml, such as g.yaml"),
    ],
)
def test_no_grid_is_written_that_could_not_be_run(tmp_path, out, given, says):
    with pytest.raises(RftlabError, match=says):
        new(jsonl(tmp_path / "d.jsonl", SUMS), tmp_path / out, **given)
    assert not (tmp_path / out).exists()
