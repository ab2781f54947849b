"""What is printed is wrapped at words on a terminal, and is as it is elsewhere; colour is a terminal's alone."""

import argparse
import io
import sys

import pytest

from rftlab import cli, screen
from rftlab.cli.parser import make_parser
from rftlab.screen import busy, complain, fitted, say, wrapped

PATH = "/" + "a-long-folder/" * 8 + "notebook.ipynb"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def terminals(monkeypatch):
    """Standard output and error, from now on of a terminal of 60 columns; pytest takes them back before a test."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm-256color")
    streams = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    return streams


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
@pytest.mark.parametrize(
    "text",
    [
        "A sentence of prose that goes on and on. " * 6,
        "  a line that stands further right, with words and words and words and words " * 3,
        "  max_seeds   10            seeds that the study may grow to, declared before it begins, and not more",
        "first\n\n  second   with a column and a text that is too long for all of these terminals, whatever " * 2,
    ],
)
def test_no_line_is_wider_than_asked_for_and_no_word_is_cut(text, columns):
    lines = wrapped(text, columns)
    assert max(map(len, lines.split("\n"))) <= columns
    assert lines.split() == text.split()


def test_what_is_broken_off_stands_under_the_last_column_that_leaves_room():
    assert wrapped("name  10  a text of words", 20) == "name  10  a text of\n          words"
    assert wrapped("  name            text of words", 20) == "  name\n    text of words"
    assert wrapped("prose of a few words", 12) == "prose of a\n  few words"
    assert wrapped("    deep prose of words", 16) == "    deep prose\n      of words"


def test_the_last_column_of_a_table_stands_under_itself_also_behind_a_cell_that_is_too_wide():
    assert screen.row(("name", "10", "text"), (6, 4)) == "  name    10    text"
    assert screen.row(("name", "a wide one", "text"), (6, 4)) == "  name    a wide one\n                text"
    assert screen.row(("name", "10", ""), (6, 4)) == "  name    10"
    alone = f"{' ' * 30}text of words"
    assert wrapped(alone, 40).split("\n") == [f"{' ' * 30}text of", f"{' ' * 30}words"]


def test_a_number_and_its_unit_stay_on_one_line():
    assert wrapped("accuracy of 95 %, in 8.5 s", 14).split("\n") == ["accuracy of", "  95 %, in", "  8.5 s"]
    assert wrapped("has 112 M and 95 more", 8).split("\n") == ["has", "  112 M", "  and 95", "  more"]
    assert wrapped("one\N{NO-BREAK SPACE}two and 95 %", 12) == "one\N{NO-BREAK SPACE}two and\n  95 %"


def test_what_fits_is_left_as_it_is_and_a_path_is_never_broken():
    assert wrapped("a   b\n  c", 10) == "a   b\n  c"
    assert PATH in wrapped(f"see {PATH} and mend it", 40).split("\n")[1]


def test_a_terminal_wraps_and_a_pipe_does_not(monkeypatch):
    out, _ = terminals(monkeypatch)
    long = "word " * 30
    say(long)
    assert max(map(len, out.getvalue().splitlines())) <= 60
    assert fitted(long, io.StringIO()) == long


def test_an_error_is_wrapped_at_words_and_in_colour_where_the_terminal_has_some(monkeypatch):
    sentence = "a sentence that says what is wrong, where, and how to mend it, in more words than one line holds"
    _, err = terminals(monkeypatch)
    complain(sentence)
    assert "31m" in err.getvalue()
    for name, value in {"NO_COLOR": "1", "TERM": "dumb"}.items():
        _, err = terminals(monkeypatch)
        monkeypatch.setenv(name, value)
        complain(sentence)
        assert "31m" not in err.getvalue()
    lines = err.getvalue().splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= 60
    assert " ".join(err.getvalue().split()) == f"rftlab: {sentence}"


def test_an_error_in_a_pipe_is_one_line_without_colour_even_where_colour_is_forced(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert cli.main(["methods", "gpro"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("rftlab: unknown method 'gpro'")
    assert said.count("\n") == 1
    assert "\x1b" not in said


def test_what_takes_its_time_moves_on_a_terminal_and_is_silent_elsewhere_unless_it_is_said_aloud(monkeypatch):
    out, _ = terminals(monkeypatch)
    with busy("loading the base"):
        print("a line of its own")
    assert "loading the base" in out.getvalue()
    assert "a line of its own" in out.getvalue()
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with busy("loading the base"):
        pass
    assert sys.stdout.getvalue() == ""
    with busy("loading the base", aloud=True):
        assert sys.stdout.getvalue() == "loading the base\n"
    assert sys.stdout.getvalue() == "loading the base\n"


def test_a_terminal_that_cannot_show_the_sign_gets_another(monkeypatch):
    from rich.console import Console

    out, _ = terminals(monkeypatch)
    assert screen.spinner("x", Console(file=out)).name == "dots"
    out.encoding = "ascii"
    assert screen.spinner("x", Console(file=out)).name == "line"


VERBS = next(action.choices for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction))


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("verb", ["", *VERBS])
def test_no_line_of_a_help_is_wider_than_the_terminal(monkeypatch, verb, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    parser = VERBS[verb] if verb else make_parser()
    assert max(map(len, parser.format_help().splitlines())) <= columns


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize(
    "line", ["tasks", "methods", "verifiers", "parameters", "tasks arithmetic", "methods sft+grpo", "verifiers rubric"]
)
def test_no_line_of_a_list_or_card_is_wider_than_the_terminal(monkeypatch, line, columns):
    out, _ = terminals(monkeypatch)
    monkeypatch.setenv("COLUMNS", str(columns))
    assert cli.main(line.split()) == 0
    lines = out.getvalue().splitlines()
    assert len(lines) > 5
    assert [line for line in lines if len(line) > columns and " " in line.strip()] == []


def test_the_example_of_a_prices_file_fits_80_columns(capsys):
    assert cli.main(["roi", "--example"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_nothing_that_a_terminal_acts_on_is_printed(stream):
    screen = stream()
    say("a \x1b[31mname\x07", "\u202egnp \x9b2J\r", file=screen)
    assert screen.getvalue() == "a \\x1b[31mname\\x07\n\\u202egnp \\x9b2J\\r\n"
