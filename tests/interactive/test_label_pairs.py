"""Pairs files and the labelling widget: nothing is lost, nothing is asked twice, hostile text stays text."""

import json
from pathlib import Path

import ipywidgets
import papermill
import pytest

from rftlab.errors import RftlabError
from rftlab.files.paths import notebooks_dir
from rftlab.interactive.label_pairs import PairQueue, label_widget
from rftlab.tasks.pairs import Pair, read_pairs, write_pairs

CANDIDATES = [("p1", "a", "b"), ("p2", "c", "d"), ("p3", "e", "f")]


def test_pairs_survive_the_file(tmp_path: Path) -> None:
    pairs = [Pair("p\n", "\u00e9 <b>", "x"), Pair("q", "", "y"), Pair("a\u2028b", "\x85", "\x0c")]
    assert read_pairs(write_pairs(tmp_path / "deep" / "pairs.jsonl", pairs)) == pairs
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["pairs.jsonl"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not JSON"),
        ("[]", "prompt, chosen, rejected"),
        ('{"prompt": "p", "chosen": "a", "rejected": 3}', "rejected must"),
        ('{"prompt": "p", "chosen": "a", "rejected": "a"}', "same text"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"prompt": "p", "chosen": "a", "rejected": "b"}\n\n' + line + "\n")
    with pytest.raises(RftlabError, match=f"line 3.*{says}"):
        read_pairs(file)


def test_every_choice_is_saved_and_not_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    queue = PairQueue(CANDIDATES, file)
    prompt, first, second = queue.current or ("", "", "")
    queue.choose(1)
    assert read_pairs(file) == [Pair(prompt, second, first)]
    queue.skip()
    later = PairQueue([(p, b, a) for p, a, b in CANDIDATES], file, seed=1)
    assert [p for p, _, _ in later.waiting] == ["p2", "p3"]
    assert len(later.pairs) == 1


def test_undo_takes_back_this_sitting_only(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    PairQueue(CANDIDATES, file).choose(0)
    queue = PairQueue(CANDIDATES, file)
    queue.choose(0)
    queue.undo()
    queue.undo()
    assert len(read_pairs(file)) == 1
    assert [p for p, _, _ in queue.waiting] == ["p2", "p3"]


def test_which_stands_first_is_drawn(tmp_path: Path) -> None:
    many = [(f"p{i}", "a", "b") for i in range(200)]
    swapped = sum(first == "b" for _, first, _ in PairQueue(many, tmp_path / "x").waiting)
    assert 70 < swapped < 130


def _parts(widget: ipywidgets.VBox) -> tuple[list[ipywidgets.Button], ipywidgets.Text, list[ipywidgets.HTML]]:
    prompt, completions, controls, state = widget.children
    *buttons, keys = controls.children
    return buttons, keys, [prompt, *completions.children, state]


def test_keys_and_buttons_choose(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    queue = PairQueue(CANDIDATES, file)
    buttons, keys, views = _parts(label_widget(queue))
    keys.value = "1"
    assert keys.value == "", "the field is ready for the next key"
    buttons[1].click()
    keys.value = "x"
    assert len(read_pairs(file)) == 2
    keys.value = "2"
    assert "All pairs are labelled" in views[0].value
    assert buttons[0].disabled
    keys.value = "1"
    assert len(read_pairs(file)) == 3
    keys.value = "u"
    assert len(read_pairs(file)) == 2


def test_a_completion_cannot_become_markup(tmp_path: Path) -> None:
    queue = PairQueue([("<script>x</script>", "<img src=x onerror=1>", "</pre><b>")], tmp_path / "pairs.jsonl")
    _, _, views = _parts(label_widget(queue))
    assert all(view.value.count("<") == 2 for view in views[:3])


@pytest.mark.slow
def test_the_notebook_runs_without_a_browser(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    parameters = {"pairs": 30, "labels": 10, "path": str(file), "simulate_noise": 0.0}
    source = str(notebooks_dir() / "50_label_pairs.ipynb")
    papermill.execute_notebook(source, str(tmp_path / "out.ipynb"), parameters, progress_bar=False)
    assert all({"prompt", "chosen", "rejected"} <= set(json.loads(line)) for line in file.read_text().splitlines())
