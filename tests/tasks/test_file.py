"""Rows of files and of dataset ids: every format, column mapping, and errors that name file and line."""

import gzip
import json
from pathlib import Path

import pytest

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.tasks.base import load_task
from rftlab.tasks.file import hold_out, load
from rftlab.verifiers._json_schema import check as violation

ROWS = [{"prompt": f"What is {i} + {i}?", "answer": str(2 * i), "rationale": f"{i}+{i}={2 * i}."} for i in range(10)]


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture
def jsonl(tmp_path):
    return write(tmp_path / "rows.jsonl", "\n".join(map(json.dumps, ROWS)) + "\n\n")


def as_csv(folder: Path) -> str:
    return write(folder / "rows.csv", "prompt,answer,rationale\n" + "\n".join(",".join(row.values()) for row in ROWS))


def as_parquet(folder: Path) -> str:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), folder / "rows.parquet")
    return str(folder / "rows.parquet")


def as_gzip(folder: Path) -> str:
    (folder / "rows.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, ROWS)).encode()))
    return str(folder / "rows.jsonl.gz")


@pytest.mark.parametrize("make", [as_csv, as_parquet, as_gzip, lambda f: write(f / "rows.json", json.dumps(ROWS))])
def test_every_format_gives_the_same_task(make, jsonl, tmp_path):
    assert load(path=make(tmp_path)).fingerprint == load(path=jsonl).fingerprint


def test_a_share_is_held_out_and_the_rest_trains(jsonl):
    task = load(path=jsonl, test_share=0.3)
    assert (len(task.train), len(task.test)) == (7, 3)
    assert {e.prompt for e in task.train + task.test} == {row["prompt"] for row in ROWS}


def test_repeated_prompts_stay_on_one_side():
    task_rows = list(load_rows_twice())
    train, test = hold_out(task_rows, 0.5, 0)
    assert not {e.prompt for e in train} & {e.prompt for e in test}
    assert len(train) + len(test) == len(task_rows)


def load_rows_twice():
    from rftlab.tasks.base import Example

    for i in range(10):
        yield Example(f"a{i}", f"Question {i}?", "1")
        yield Example(f"b{i}", f"question {i}? ", "2")


def test_a_test_file_of_ones_own_is_used_as_it_is(jsonl, tmp_path):
    held = write(tmp_path / "test.jsonl", '{"prompt": "What is 50 + 50?", "answer": 100}\n')
    task = load(path=jsonl, test_path=held)
    assert (len(task.train), [e.answer for e in task.test]) == (10, ["100"])


def test_gsm8k_s_format_through_mapping(tmp_path):
    row = {"question": "Two boxes of 3?", "answer": "There are 2 * 3 = <<2*3=6>>6.\n#### 1,006"}
    path = write(tmp_path / "gsm.jsonl", "\n".join(json.dumps({**row, "question": f"{i}: two?"}) for i in range(4)))
    task = load(
        path=path,
        columns={"prompt": "question", "answer": "answer"},
        answer_after="####",
        drop_pattern="<<.*?>>",
        verifier="math",
    )
    assert task.train[0].answer == "1,006"
    assert task.train[0].rationale == "There are 2 * 3 = 6."


def test_further_columns_become_meta(tmp_path):
    rows = [{"prompt": f"{i}?", "answer": "A", "choices": ["x", "y"]} for i in range(4)]
    path = write(tmp_path / "rows.jsonl", "\n".join(map(json.dumps, rows)))
    task = load_task("file", {"path": path, "columns": {"meta": ["choices"]}, "verifier": "choice"})
    assert task.train[0].meta == {"choices": ["x", "y"]}


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.jsonl", '{"prompt": "p", "answer": "a"}\n{"prompt": \n', "a.jsonl, line 2: not valid JSON"),
        ("a.jsonl", "[1, 2]\n", "line 1: a list, not an object"),
        (
            "a.jsonl",
            '{"prompt": "p", "reply": "a"}\n',
            "line 1: no column 'answer' for the answer; it has prompt, reply",
        ),
        ("a.jsonl", '{"prompt": " ", "answer": "a"}\n', "line 1: the prompt is empty"),
        ("a.jsonl", '{"prompt": ["p"], "answer": "a"}\n', "column 'prompt' holds a list, neither a text nor a list of"),
        ("a.jsonl", '{"prompt": "p", "answer": "a"}\n{"prompt": "q"}\n', "line 2: only prompt hold anything"),
        (
            "a.jsonl",
            '{"messages": [{"role": "user", "content": "p"}], "label": 1}\n',
            "the gold answer; it has messages",
        ),
        (
            "a.csv",
            "Subject,Label\np,a\n",
            "no column 'prompt' for the prompt; it has Subject, Label; map it .* task_settings.prompt: \"{Subject}\"",
        ),
        (
            "a.csv",
            "prompt,answer,completion\np,a,b\n",
            "fit prompt-answer and prompt-completion; say which with task_settings.shape, or name the columns",
        ),
        ("a.jsonl", "\n", "holds no rows"),
        ("a.json", '{"prompt": "p"}', "expected a list of objects"),
        ("a.csv", "prompt,answer\np,a\nq\n", "line 3: number of fields differs"),
        ("a.csv", 'prompt,answer\np,"a\n', "never closed"),
        ("a.parquet", "no", "not a Parquet file"),
        ("a.txt", "p", "cannot read .txt"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path, name, text, match):
    with pytest.raises(RftlabError, match=match):
        load(path=write(tmp_path / name, text))


def test_text_that_is_not_utf_8_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"prompt": "\xff"}\n')
    with pytest.raises(RftlabError, match="not UTF-8 text"):
        load(path=str(tmp_path / "a.jsonl"))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({}, "needs either"),
        ({"path": "a.jsonl", "dataset": "a/b"}, "needs either"),
        ({"path": "a.jsonl", "columns": {"prompt": "a", "answer": "a"}}, "names 'a' for the prompt and for the answer"),
        ({"path": "a.jsonl", "columns": {"meta": "a"}}, "columns.meta is 'a'; list the columns"),
        ({"path": "missing.jsonl"}, "there is no data file missing.jsonl"),
        ({"path": "a.jsonl", "columns": {"question": "q"}}, "unknown field 'question'"),
        ({"path": "a.jsonl", "drop_pattern": "("}, "is not a regular expression"),
        ({"path": "a.jsonl", "shape": "chatml"}, "task_settings.shape is 'chatml'; known: prompt-answer"),
        ({"path": "a.jsonl", "prompt": "{a}", "columns": {"prompt": "a"}}, "leave one out"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, match):
    with pytest.raises(RftlabError, match=match):
        load(**settings)


def test_an_answer_without_the_marker_is_named(jsonl):
    with pytest.raises(RftlabError, match="line 1: the answer holds no '####'"):
        load(path=jsonl, answer_after="####")


@pytest.mark.parametrize("share", [0, 1, -0.5])
def test_a_share_outside_its_range_is_refused(jsonl, share):
    with pytest.raises(RftlabError, match="between 0 and 1"):
        load(path=jsonl, test_share=share)


def test_a_dataset_id_that_cannot_be_reached_is_a_sentence(monkeypatch):
    import datasets

    def refuse(*args, **kwargs):
        raise ConnectionError("no network here")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(RftlabError, match="dataset 'openai/gsm8k' cannot be loaded: the model hub cannot be reached"):
        load(dataset="openai/gsm8k")


def test_a_dataset_id_gives_both_of_its_splits(monkeypatch):
    import datasets

    def pretend(dataset, config, split):
        start = {"train": 0, "test": 50}[split]
        return datasets.Dataset.from_list([{"prompt": f"{start + i}?", "answer": str(i)} for i in range(5)])

    monkeypatch.setattr(datasets, "load_dataset", pretend)
    task = load(dataset="some/data", test_split="test")
    assert (len(task.train), len(task.test)) == (5, 5)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("d.jsonl.gz", b'{"prompt": "a", "answer": "b"}', "is not a whole gzip file"),
        ("d.jsonl.gz", gzip.compress(b'{"prompt": "a", "answer": "b"}' * 99, mtime=0)[:-9], "is not a whole gzip file"),
        ("d.jsonl", b'{"prompt": "a\\ud800", "answer": "b"}', r"line 1: column 'prompt' holds half a character"),
        ("d.json", b"[" * 100_000, "not valid JSON"),
        ("d.jsonl", b'{"prompt": ' + b"9" * 5000 + b"}", "not valid JSON"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_a_sentence(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RftlabError, match=says) as caught:
        load_task("file", {"path": str(tmp_path / name)})
    assert str(caught.value).isprintable()


TICKETS = [("Invoice twice", "I paid 1,5 times", "billing"), ("Login", "{classes}", "login"), ("Hi", "", "other")] * 4


@pytest.fixture
def tickets(tmp_path):
    rows = [f"{subject} {i};{body};{label}" for i, (subject, body, label) in enumerate(TICKETS)]
    return write(tmp_path / "tickets.csv", "\ufeff" + "\r\n".join(["Subject;Body;Label", *rows, ";;", ";;", ""]))


def test_tickets_from_a_spreadsheet_become_prompts_with_instructions_and_classes(tickets):
    task = load(
        path=tickets,
        prompt="{Subject}\n{Body}",
        instructions='Answer with one of: {classes}. Not {"json": 1}.',
        columns={"answer": "Label"},
        verifier="choice",
    )
    assert task.name == "tickets"
    assert task.notes == ("3 classes: billing, login, other",)
    asked = {e.prompt: e for e in task.train + task.test}
    head = 'Answer with one of: billing, login, other. Not {"json": 1}.\n\n'
    assert asked[f"{head}Login 1\n{{classes}}"].answer == "login"
    assert f"{head}Hi 2" in asked
    assert task.train[0].meta == {"choices": ["billing", "login", "other"]}


def test_data_goes_by_a_name_of_its_own(tickets):
    settings = {"path": tickets, "name": "first-line support", "columns": {"answer": "Label", "prompt": "Subject"}}
    assert load(**settings).name == "first-line support"
    assert Cell.make({"task": "file", "task_settings": settings}).task_name == "first-line support"


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"classes": ["billing", "login"]}, "line 4: the answer 'other' is none of the classes .billing, login."),
        ({"classes": "all"}, "task_settings.classes is 'all'; give auto, or a list"),
        ({"prompt": {"Subject": None}}, "task_settings.prompt is a dict; put it in quotes"),
        (
            {"prompt": "{Subjekt}"},
            "line 2: no column 'Subjekt', which task_settings.prompt names; did you mean Subject",
        ),
        ({"prompt": "{Subject"}, "names no column; write {{ or }}"),
        ({"name": "a\nb"}, r"task_settings.name is 'a.nb'; give a few letters"),
        ({"name": 3}, "task_settings.name is 3; give a few letters"),
    ],
)
def test_a_prompt_or_classes_that_do_not_fit_the_rows_are_named(tickets, settings, match):
    with pytest.raises(RftlabError, match=match):
        load(**{"path": tickets, "prompt": "{Subject}", "columns": {"answer": "Label"}, **settings})


def test_too_many_answers_are_no_classes(tmp_path):
    path = write(tmp_path / "a.jsonl", "\n".join(json.dumps({"prompt": f"{i}?", "answer": i}) for i in range(300)))
    with pytest.raises(RftlabError, match="300 different answers; list the classes with task_settings.classes"):
        load(path=path, instructions="One of {classes}.")


def test_classes_of_a_test_file_must_be_known_in_training(tickets, tmp_path):
    held = write(tmp_path / "held.csv", "Subject;Body;Label\nNew;x;refund\n")
    with pytest.raises(RftlabError, match="held.csv, line 2: the answer 'refund' is none of the classes"):
        load(path=tickets, test_path=held, prompt="{Subject} ({classes})", columns={"answer": "Label"})


def test_the_shape_of_every_file_is_said(tmp_path):
    def chat(i):
        return json.dumps({"messages": [{"role": "user", "content": f"{i}?"}, {"role": "assistant", "content": "a"}]})

    train = write(tmp_path / "train.jsonl", "\n".join(map(chat, range(3))))
    test = write(tmp_path / "test.jsonl", chat(9))
    beyond = write(tmp_path / "ood.jsonl", '{"prompt": "p", "answer": {"total": 3, "of": ["ü"]}}')
    task = load(path=train, test_path=test, ood_path={"rule": beyond})
    assert task.notes == (
        "train.jsonl, test.jsonl: read as OpenAI chat rows (messages); the answer is the last message, the assistant's",
        "ood.jsonl: read as prompt and answer",
        "ood.jsonl: answers that are objects or lists are written as JSON",
    )
    assert task.ood["rule"][0].answer == '{"total": 3, "of": ["ü"]}'


def test_a_named_column_goes_before_what_the_shape_says(tmp_path):
    messages = [{"role": "user", "content": "p"}]
    rows = [{"messages": messages, "reward_model": {"ground_truth": str(i)}, "reference_answer": "x"} for i in range(2)]
    rows[1] = {**rows[1], "messages": [{"role": "user", "content": "q"}]}
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    task = load(path=path, columns={"answer": "reward_model.ground_truth"}, test_share=0.5)
    assert {(e.prompt, e.answer) for e in task.train + task.test} == {("p", "0"), ("q", "1")}
    mapped = load(path=path, columns={"prompt": "messages", "answer": "reference_answer"}, test_share=0.5)
    assert {(e.prompt, e.answer) for e in mapped.train + mapped.test} == {("p", "x"), ("q", "x")}
    rows = [{"ask": messages, "reply": [{"role": "assistant", "content": f"<think>x</think>{i}"}]} for i in range(2)]
    path = write(tmp_path / "c.jsonl", "\n".join(map(json.dumps, [rows[0], {**rows[1], "ask": "q"}])))
    mapped = load(path=path, columns={"prompt": "ask", "answer": "reply"}, test_share=0.5)
    assert {(e.prompt, e.answer) for e in mapped.train + mapped.test} == {("p", "0"), ("q", "1")}
    chosen = write(tmp_path / "b.csv", "prompt,answer,completion\np,a,b\nq,a,b\n")
    assert {e.answer for e in load(path=chosen, shape="prompt-completion").train} == {"b"}


def test_objects_as_gold_fit_their_schema(tmp_path):
    rows = [{"prompt": f"{i}?", "answer": {"total": i, "items": ["a"] * i}} for i in range(4)]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    schema = json.dumps({"type": "object", "required": ["total"]})
    for example in load(path=path, verifier="json-schema").train:
        assert violation(schema, example.answer, example.answer) == ""
        assert violation(schema, '{"total": 99}', example.answer)


def test_rows_without_an_answer_are_prompts_and_it_is_said(tmp_path):
    rows = "".join(f"Question {i}?,{i if i % 3 else ''}\n" for i in range(30))
    (tmp_path / "a.csv").write_text(f"prompt,answer\n{rows}")
    task = load_task("file", {"path": str(tmp_path / "a.csv")})
    assert len(task.prompts) == 10
    assert len(task.train) + len(task.test) == 20
    assert all(example.answer for example in (*task.train, *task.test))
    assert not any(example.answer for example in task.prompts)
    assert any("10 rows have no answer (" in note and "a.csv, line 2, ...)" in note for note in task.notes)


@pytest.mark.parametrize(
    ("row", "settings"),
    [
        ({"prompt": "Question {i}?"}, {}),
        ({"question": "Question {i}?"}, {}),
        ({"messages": [{"role": "user", "content": "Question {i}?"}]}, {}),
        ({"instruction": "Question {i}?"}, {}),
        ({"Subject": "Question {i}?"}, {"prompt": "{Subject}"}),
        ({"Subject": "Question {i}?"}, {"columns": {"prompt": "Subject"}}),
    ],
    ids=["prompt", "question", "chat", "alpaca", "template", "column"],
)
def test_a_file_of_prompts_alone_needs_no_answers(tmp_path, row, settings):
    lines = [json.dumps(row).replace("{i}", str(i)) for i in range(20)]
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    task = load_task("file", {"prompts_path": str(tmp_path / "p.jsonl"), **settings})
    assert (task.name, len(task.train), len(task.prompts), len(task.test)) == ("p", 0, 14, 6)
    assert {"Question 3?", "Question 19?"} <= {example.prompt for example in (*task.prompts, *task.test)}
    labelled = [json.dumps({"prompt": f"Other {i}?", "answer": str(i)}) for i in range(10)]
    (tmp_path / "a.jsonl").write_text("\n".join(labelled))
    if not settings:
        both = load_task("file", {"path": str(tmp_path / "a.jsonl"), "prompts_path": str(tmp_path / "p.jsonl")})
        assert (both.name, len(both.train), len(both.prompts), len(both.test)) == ("a", 7, 20, 3)
