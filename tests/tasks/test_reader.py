"""What a row says: decimal commas, options in columns of their own, the last box of a solution."""

import json

import pytest

from rftlab.errors import RftlabError
from rftlab.tasks.file import load
from rftlab.tasks.reader import with_point


@pytest.mark.parametrize(
    ("written", "number"),
    [("0,5", "0.5"), ("-1.234,50 kg", "-1234.50 kg"), ("1.500", "1500"), ("7", "7"), ("\u22122,0 %", "\u22122.0 %")],
)
def test_a_decimal_comma_is_a_point(written, number):
    assert with_point(written) == number


@pytest.mark.parametrize("text", ["0.5", "1,234,567", "about 2,5", "1,5 or 2,5", "", ","])
def test_what_is_no_number_with_a_decimal_comma_is_refused(text):
    with pytest.raises(RftlabError, match="no number with a decimal comma"):
        with_point(text)


@pytest.fixture
def file(tmp_path):
    def write(rows):
        path = tmp_path / "d.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        return str(path)

    return write


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"decimal": ";"}, "task_settings.decimal is ';'; give"),
        ({"decimal": ","}, "line 3: the answer 'x' is no number with a decimal comma"),
        ({"columns": {"choices": "A"}}, "task_settings.columns.choices is 'A'; list the columns"),
        ({"columns": {"choices": ["A", "B"]}}, "line 2: column 'B' (task_settings.columns.choices) holds no option"),
        ({"answer_after": r"\boxed"}, r"line 1: the answer holds no '\\boxed'"),
    ],
)
def test_a_row_that_cannot_be_read_so_is_named(file, settings, says):
    rows = [{"prompt": f"{i}?", "answer": "1,5", "A": "x", "B": "y"} for i in range(5)]
    rows[1]["B"], rows[2]["answer"] = None, "x"
    with pytest.raises(RftlabError) as raised:
        load(path=file(rows), **settings)
    assert says in str(raised.value)
