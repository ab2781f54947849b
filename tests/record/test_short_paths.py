"""Tables of cells name files, not folders, and tell contents apart."""

import pytest

from rftlab.cell import Cell
from rftlab.record.short_paths import flat_values


def cell(path: str, digest: str = "aaaaaaaaaaaa", **digests: str) -> Cell:
    return Cell.make(
        {"task": "file", "task_settings": {"path": path}, "digests": {"task_settings.path": digest, **digests}}
    )


@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        ([cell("/home/a/x/train.jsonl"), cell("/home/b/y/train.jsonl")], ["train.jsonl", "train.jsonl"]),
        (
            [cell("/home/a/one/train.jsonl"), cell("/home/a/two/train.jsonl", "bbbbbbbbbbbb")],
            ["one/train.jsonl", "two/train.jsonl"],
        ),
        ([cell("/a/t.csv"), cell("/a/t.csv", "bbbbbbbbbbbb")], ["t.csv@aaaaaa", "t.csv@bbbbbb"]),
        ([cell("/a/t.csv"), cell("/a/other.csv", "bbbbbbbbbbbb")], ["t.csv", "other.csv"]),
    ],
)
def test_a_path_is_as_short_as_tells_contents_apart(cells, shown):
    assert [row["task_settings"]["path"] for row in flat_values(cells)] == shown


def test_what_lies_beside_code_is_part_of_its_content():
    first, second = (
        Cell.make({"method": "/a/mine.py:Mine", "digests": {"method": "c" * 12, "method:helper.py": text}})
        for text in ("d" * 12, "e" * 12)
    )
    one, two = flat_values([first, second])
    assert one["method"] != two["method"]
    assert one["method"].startswith("mine.py:Mine@")


def test_digests_that_no_path_shows_stay():
    row, plain = flat_values([cell("/a/t.csv", notebook="f" * 12, method="sft version 2"), Cell()])
    assert row["digests"] == {"notebook": "f" * 12, "method": "sft version 2"}
    assert row["method"] == "sft"
    assert plain == Cell().flat()
