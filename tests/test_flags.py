"""What flags say: values as a grid has them, read whole, and flags that do not go with what is asked about."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rftlab.cli import main
from rftlab.cli.flags import value


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("####", "####"),
        ("the answer # is", "the answer # is"),
        ("'#'", "#"),
        ("[a, '####', b#c]", ["a", "####", "b#c"]),
        ("{path: x.csv, answer_after: '####'}", {"path": "x.csv", "answer_after": "####"}),
        ("Answer:", "Answer:"),
        ("Answer: is", "Answer: is"),
        ("|", "|"),
        (">", ">"),
        ("&", "&"),
        ("- x", "- x"),
        ("2026-01-02", "2026-01-02"),
        ("60", 60),
        ("0.5", 0.5),
        ("false", False),
        ("null", None),
        ("x y", "x y"),
        ("[1, 2]", [1, 2]),
        ('"60"', "60"),
        ("{a: 2026-01-02}", {"a": "2026-01-02"}),
        ("[open", "[open"),
    ],
)
def test_a_value_is_what_a_grid_would_have_and_whole(text, read):
    assert value(text) == read
    assert type(value(text)) is type(read)


@given(st.text(st.characters(exclude_categories=["Cs", "Co"]), min_size=1, max_size=12))
def test_no_part_of_a_text_is_lost(text):
    read = value(text)
    assert read == text or not isinstance(read, str) or text.lstrip()[0] in "'\""
    assert value(json.dumps(text, ensure_ascii=False)) == text or any(not c.isprintable() for c in text)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"How much is {i} plus 1?", "answer": f"we add #### {i + 1}"} for i in range(60)]
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "g.yaml").write_text(
        "task: file\ntask_settings: {path: sums.jsonl, answer_after: '####'}\nlabels: 5\nevaluation.along_the_way: 0\n"
    )


def test_a_marker_of_hashes_reaches_the_task(here, capsys):
    assert main(["check", "sums.jsonl", "--settings", "answer_after=####"]) == 0
    assert "gold answers: all 60 score 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check", "g.yaml", "--test", "sums.jsonl"], "--test is for a data file or a task; a grid is checked as it "
         "stands: write it in g.yaml, as task_settings.test_path"),
        (["check", "g.yaml", "--columns", "prompt=q"], "as task_settings.columns"),
        (["check", "g.yaml", "--settings", "folds=5"], "as task_settings"),
        (["check", "g.yaml", "--verifier", "math", "--label", "3"], "as verifier"),
        (["check", "g.yaml", "--verifier-settings", "a=1"], "as verifier_settings"),
        (["check", "demo", "--verifier", "math"], "as verifier"),
        (["check", "sums.jsonl", "--settings", "folds=5", "folds=3"], "--settings gives folds twice"),
        (["check", "sums.jsonl", "--test", "g.yaml", "--settings", "test_path=x"], "--test and --settings test_path"),
        (["check", "sums.jsonl", "--columns", "prompt=q", "--settings", "columns={}"], "--columns and --settings"),
        (["check", "arithmetic/word", "--test", "sums.jsonl"], "there is no 'test_path'"),
        (["show", "sums.jsonl"], "sums.jsonl is a data file, not a grid; rftlab new sums.jsonl"),
        (["run", "sums.jsonl", "--dry-run"], "is a data file, not a grid"),
        (["plan", "sums.jsonl"], "is a data file, not a grid"),
        (["show", "arithmetic/word"], "arithmetic/word is a task, not a grid; a grid names it: task: arithmetic/word"),
        (["new", "g.yaml"], "g.yaml is a grid already; rftlab check g.yaml"),
        (["new", "sums.jsonl", "--checks", "--verifier", "math"], "--checks writes a verifier of its own"),
        (["advise", "sums.jsonl", "--rules"], "--rules prints the rules alone"),
    ],
)  # fmt: skip
def test_a_flag_or_a_subject_that_does_not_fit_is_refused_in_a_sentence(here, capsys, arguments, says):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
