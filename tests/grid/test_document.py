"""A grid file may be anything: it is read, or refused in one sentence with its line, soon."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rftlab.errors import RftlabError
from rftlab.grid import MAX_CELLS, Grid

NINE = ", ".join(["{}"] * 9)
BOMB = "settings:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"  a{i}: &a{i} [{NINE.format(*[f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)
SWEEP = "\n".join(f"settings.s{i}: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]" for i in range(9))
# What stands in a grid file, the line that is named, and what is said.
REFUSED = {
    'task: "a\0b"\n': (1, r"control character (\x00)"),
    'task: "a\\0b"\n': (1, r"control character (\x00)"),
    "seed: 1\nlabels: \x07\n": (2, r"control character (\x07)"),
    'task: "\\ud800"\n': (1, r"half a character (\ud800)"),
    "seed: 1\nlabels: 2020-01-01\n": (2, "a date is not a value"),
    "settings: {a: 2020-01-01 10:00:00}\n": (1, "a datetime is not a value"),
    "labels: " + "9" * 5000 + "\n": (1, "limit (4300 digits)"),
    "settings: {a: " + "9" * 4000 + "}\n": (1, "more than 18 digits"),
    "settings: " + "[" * 5000 + "]" * 5000 + "\n": (1, "nested more than 20 deep"),
    "seed: 1\nsettings: {a: " + "[" * 50 + "]" * 50 + "}\n": (2, "nested more than 20 deep"),
    BOMB: (2, "more than 100000 values"),
    SWEEP: (1, f"1,000,000,000 cells, more than {MAX_CELLS:,}"),
    "settings:\n  <<: 3\n": (2, "expected a mapping"),
    "seed: 1\nsettings: {a: 1, a: 2}\n": (2, "duplicate key"),
    "settings: {1: 2}\n": (1, "the key 1 is not a text"),
    "~: 3\n": (1, "the key None is not a text"),
    "? [a, b]\n: 3\n": (1, "is not a text"),
    "settings: {true: 2}\n": (1, "the key True is not a text"),
    "settings: {a: .nan}\n": (1, "nan is not a number"),
    "budget.amount: .inf\n": (1, "inf is not a number"),
    "defaults: &d\n  <<: *d\n": (1, "an anchor (&) holds itself"),
    "".join(f"{' ' * depth}a:\n" for depth in range(300)): (1, "nested more than 20 deep; write it flatter"),
    "seed: *none\n": (1, "undefined alias 'none'; mark with & what * stands for"),
    "settings: {a: !!binary aGVsbG8=}\n": (1, "bytes is not a value"),
    "settings: !!set {a, b}\n": (1, "Set is not a value"),
    "settings: !!python/object:os.system {}\n": (1, "tags"),
    "seed: !x [1]\n": (1, "tags"),
    "seed: 1\n---\nseed: 2\n": (2, "another document"),
    "verifier: " + "a" * 5000 + ".py:f\n": (1, "names a path that cannot be"),
    "verifier: ~nobody_here/x.py:f\n": (1, "names a path that cannot be"),
    "tuning.learning_rates: [0.0]\n": (1, "a learning rate is above 0, not 0"),
    "tuning.learning_rates: [-1]\n": (1, "a learning rate is above 0, not -1"),
    "tuning.learning_rates: [null]\n": (1, "valid number"),
    "settings.: 3\n": (1, "unknown parameter 'settings.'"),
    "x: " + "a" * 300_000: (1, "more than 200000 characters"),
    "seed: [0, 1]\nexclude:\n  - {seed: 1}\n  - {seed: 5}\n": (4, "this exclude matches no cell"),
    "seed: 1\noverrides:\n  - {when: {seed: 3}, set: {labels: 4}}\n": (3, "this override matches no cell"),
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:30]))
def test_what_no_grid_can_hold_is_refused_with_its_line(tmp_path, text):
    (tmp_path / "g.yaml").write_text(text, encoding="utf-8", newline="")
    line, says = REFUSED[text]
    with pytest.raises(RftlabError) as caught:
        Grid.load(tmp_path / "g.yaml")
    sentence = str(caught.value)
    assert f"g.yaml line {line}: " in sentence
    assert says in sentence
    assert sentence.isprintable()
    assert len(sentence) < 1000


def test_anchors_and_merge_keys_are_read_as_written_out(tmp_path):
    short, long = tmp_path / "short.yaml", tmp_path / "long.yaml"
    short.write_text("defaults: &d {labels: 3, cot: false}\ninclude:\n  - {<<: *d, seed: [1, 2]}\n")
    long.write_text("include: [{labels: 3, cot: false, seed: [1, 2]}]\n")
    assert [cell.id for cell in Grid.load(short).cells] == [cell.id for cell in Grid.load(long).cells]


def test_what_is_no_file_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "a\0b", tmp_path / ("a" * 300)):
        with pytest.raises(RftlabError, match="cannot read the grid"):
            Grid.load(path)


PIECES = st.sampled_from(
    ["seed", "labels", "settings", ": ", ":", "\n", "  ", "- ", "[", "]", "{", "}", ", ", "&a ", "*a", "<<", "!!int ",
     "~", "1", "0x1", "1e9", ".inf", "true", "'", '"', "|", ">", "#", "%YAML 1.1\n---\n", "? ", "2020-01-01", "\t", "é"]
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=30))
def test_any_text_is_a_grid_or_a_sentence(tmp_path, text):
    path = tmp_path / "g.yaml"
    path.write_text(text, encoding="utf-8", errors="replace", newline="")
    said = ""
    try:
        cells = Grid.load(path).cells
    except RftlabError as error:
        cells, said = (), str(error)
    assert cells or said.isprintable()
