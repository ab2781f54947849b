"""What is written as a grid is read back as the same values."""

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from rftlab.grid.written import grid_text

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12) | st.sampled_from(
    [
        "yes",
        "NULL",
        "1e5",
        "0x1",
        "a: b",
        "- a",
        "#",
        "a #b",
        "<<",
        "=",
        ".inf",
        "~",
        "train.jsonl",
        "~/x",
        "é",
        "2020-01-01",
        "",
    ]
)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)


@settings(deadline=None)
@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4))
def test_values_come_back(values):
    assert YAML(typ="safe", pure=True).load(grid_text(values)) == values


def test_blocks_comments_and_a_head():
    text = grid_text(
        {
            "task": "file",
            "task_settings": {"path": "a b.csv", "verifier": "exact"},
            "include": [{"method": "sft", "labels": [1, 2]}, {"method": "base"}],
        },
        head=["data.csv: 3 rows", ""],
        said={"task_settings.verifier": "why\nnot", "task": "yours"},
    )
    assert text == (
        "# data.csv: 3 rows\n#\ntask: file   # yours\ntask_settings:\n  path: a b.csv\n  verifier: exact   # why\n"
        "include:\n  - method: sft\n    labels: [1, 2]\n  - method: base\n"
    )
