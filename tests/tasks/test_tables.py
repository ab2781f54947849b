"""Rows of files as people save them: encodings, delimiters, what Excel adds, and errors that name file and line."""

import csv
import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rftlab.errors import RftlabError
from rftlab.tasks.tables import read_rows

# What a cell can hold: no half characters, no NUL, no line end that csv writes differently.
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


def rows(path, content: bytes, **settings):
    path.write_bytes(content)
    return [row for _, row in read_rows(path=str(path), **settings)]


TICKETS = "Subject;Body;Label\r\nCafé zu;Tür 1,5 m;billing\r\nLogin;Kennwort;login\r\n"
READ = [
    {"Subject": "Café zu", "Body": "Tür 1,5 m", "Label": "billing"},
    {"Subject": "Login", "Body": "Kennwort", "Label": "login"},
]


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        ("a.csv", TICKETS.encode(), {}),
        ("bom.csv", TICKETS.encode("utf-8-sig"), {}),
        ("sep.csv", b"sep=;\r\n" + TICKETS.encode(), {}),
        ("both.csv", b"\xef\xbb\xbfsep=;\r\n" + TICKETS.encode(), {}),
        ("empty_rows.csv", TICKETS.encode() + b";;\r\n;;\r\n", {}),
        ("empty_columns.csv", TICKETS.replace("\r\n", ";;\r\n").encode(), {}),
        ("windows.csv", TICKETS.encode("cp1252"), {"encoding": "cp1252"}),
        ("utf16.csv", TICKETS.encode("utf-16"), {"encoding": "utf-16"}),
        ("bar.csv", TICKETS.replace(";", "|").encode(), {"delimiter": "|"}),
        ("tabs.tsv", TICKETS.replace(";", "\t").encode(), {}),
        ("tabs.csv", TICKETS.replace(";", "\t").encode(), {}),
        ("packed.csv.gz", gzip.compress(TICKETS.encode(), mtime=0), {}),
    ],
)
def test_a_table_reads_the_same_however_it_was_saved(folder, name, content, settings):
    assert rows(folder / name, content, **settings) == READ


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json"])
def test_a_byte_order_mark_is_no_part_of_the_text(folder, name):
    text = '[{"prompt": "p"}]' if name.endswith("json") else '{"prompt": "p"}\n'
    content = text.encode("utf-8-sig")
    assert rows(folder / name, gzip.compress(content, mtime=0) if name.endswith("gz") else content) == [{"prompt": "p"}]


@given(
    table=st.integers(2, 4).flatmap(
        lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1, max_size=5)
    ),
    delimiter=st.sampled_from(",;\t"),
)
def test_what_a_spreadsheet_writes_is_read_back(folder, table, delimiter):
    names = [f"column {i}" for i in range(len(table[0]))]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([names, *table])
    said = [dict(zip(names, row, strict=True)) for row in table if any(cell.strip() for cell in row)]
    assert rows(folder / "any.csv", text.getvalue().encode(), delimiter=delimiter) == said
    if not any(other in cell for other in ",;\t" for row in table for cell in row):
        assert rows(folder / "any.csv", text.getvalue().encode()) == said


@pytest.mark.parametrize(
    ("name", "content", "settings", "match"),
    [
        (
            "w.csv",
            TICKETS.encode("cp1252"),
            {},
            r"w.csv, line 2: not UTF-8 .*0xe9.*reads 'Café zu;Tür.*encoding: cp1252",
        ),
        ("u.csv", TICKETS.encode("utf-16"), {}, "begins as UTF-16 does; set task_settings.encoding: utf-16"),
        ("z.jsonl", b'{"a": "\xff\x81"}', {}, "not UTF-8 text .byte 0xff.; name the encoding"),
        ("a.csv", "é,b\n1,2".encode(), {"encoding": "ascii"}, "not ascii text .byte 0xc3"),
        ("a.csv", b"a,b\n", {"encoding": "base64"}, "'base64' is no encoding of text"),
        ("a.csv", b"a,b\n", {"encoding": "klingon"}, "'klingon' is no encoding of text"),
        ("a.csv", b"a,b\n", {"delimiter": "::"}, "give one character"),
        ("a.csv", b"a,b;c\n1,2;3\n", {}, "with ',' between its columns and also with ';'; say which"),
        ("a.csv", b"a,b\n1,2,3\n", {}, r"a.csv, line 2: number of fields differs from the header's .3, not 2."),
        ("a.csv", b"a,b,\n1,2,x\n", {}, "line 2: column 3 holds 'x' and has no name"),
        ("a.csv", b"a, a\n1,2\n", {}, "two columns are called 'a'"),
        ("a.csv", b"a,b\n1,2\nx\x00y,3\n", {}, "a.csv, line 3: holds a NUL byte"),
        ("a.xlsx", b"", {}, "save the sheet as .csv"),
        ("le.csv", TICKETS.encode("utf-16-le"), {}, "begins as UTF-16-LE does; set task_settings.encoding: utf-16-le"),
        ("le.csv.gz", gzip.compress(TICKETS.encode("utf-16"), mtime=0), {}, "set task_settings.encoding: utf-16"),
        ("u.jsonl", '{"a": 1}'.encode("utf-32"), {}, "set task_settings.encoding: utf-32"),
        ("w.csv", b"PK\x03\x04rest", {}, "w.csv is called .csv and is a workbook .*save the sheet as .csv"),
        ("o.csv", b"\xd0\xcf\x11\xe0rest", {}, "a workbook of an old Excel"),
        ("p.jsonl", b"PAR1rest", {}, "a Parquet file; name it .parquet"),
        ("g.csv", gzip.compress(b"a,b", mtime=0), {}, "compressed by gzip; put .gz behind its name"),
        ("h.csv", b"<html><body>", {}, "a web page; download the file itself"),
        ("q.csv", b'a,b\n1,2\n"3,4\n5,6\n', {}, "the row that begins in line 3 is never closed"),
        ("l.jsonl", b'[{"a": 1}]', {}, "name a file that is one list of rows .json"),
        ("n.jsonl", b'{"a": ' + b"9" * 5000 + b"}", {}, "a number of thousands of digits; put it in quotes"),
        ("a.txt", b"a", {}, "cannot read .txt; name it .tsv"),
        ("a.parquet.gz", b"", {}, "cannot read .gz"),
    ],
)
def test_a_table_that_cannot_be_read_says_where_and_how_to_mend_it(folder, name, content, settings, match):
    with pytest.raises(RftlabError, match=match) as caught:
        rows(folder / name, content, **settings)
    assert str(caught.value).isprintable()


def test_lines_are_counted_as_an_editor_does(folder):
    (folder / "a.csv").write_text('sep=,\nprompt,answer\n"two\nlines",1\n\nq,2\n')
    assert [where for where, _ in read_rows(path=str(folder / "a.csv"))] == ["line 4", "line 6"]
