"""Mistakes inside settings are named with their line, however the grid is written."""

import pytest

from rftlab.cli import main
from rftlab.errors import RftlabError, about
from rftlab.grid import Grid
from rftlab.grid.document import written_at

GRID = """\
defaults:
  task: arithmetic/word
  labels: 10
  task_settings: {train: 50}
include:
  - {method: sft, settings.clip: 1}
  - method: grpo
    settings:
      beta: 0.1
      num_generations: 4
  - method: grpo
    settings.beta: [0.2,
      big]
    verifier_settings:
      - {absolute: 0.1}
      - {absolute: lots}
overrides:
  - when: {settings.beta: never}
    set: {task_settings: {ood: 5}}
exclude: [{settings: {beta: never}}]
"""


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("task_settings.train", 50, 4),
        ("task_settings.test", 3, 4),
        ("settings.clip", 1, 6),
        ("settings.beta", 0.1, 9),
        ("settings.beta", 0.2, 12),
        ("settings.beta", "big", 13),
        ("settings.num_generations", 4, 10),
        ("verifier_settings.absolute", "lots", 16),
        ("task_settings.ood", 5, 19),
        ("settings.beta", "never", 9),
        ("labels", 10, 3),
        ("model", "x", 0),
    ],
)
def test_a_setting_is_found_where_it_is_given(tmp_path, name, value, line):
    (tmp_path / "g.yaml").write_text(GRID)
    assert written_at(tmp_path / "g.yaml", name, value) == line


def test_a_file_that_was_changed_since_names_no_line(tmp_path):
    (tmp_path / "g.yaml").write_text("method: [sft")
    assert written_at(tmp_path / "g.yaml", "labels", 3) == 0


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("train is 'lots'", "settings.train"),
        ("there is no 'test'; did you mean train?", "settings.test"),
        ("settings.test is 3", "settings.test"),
        ("the training test is hard", "settings"),
    ],
)
def test_an_error_is_about_the_setting_that_it_names(text, name):
    with pytest.raises(RftlabError) as raised, about("settings", {"train": 1, "test": 2}):
        raise RftlabError(text)
    assert raised.value.about == name


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("task_settings: {train: lots}", "line 5: task 'arithmetic/word' does not take these settings: train is 'lots'"
         ),
        ("task_settings:\n  train: 60\n  tset: 5", "line 7: task 'arithmetic/word' does not take these settings: there "
         "is no 'tset'; did you mean test"),
        ("verifier: numeric\nverifier_settings: {absolute: lots}", "line 6: verifier 'numeric' does not take these "
         "settings: absolute is 'lots'; give a number"),
        ("settings: {beta: big}", "line 5: method 'grpo', setting 'beta': Input should be a valid number (got 'big')"),
        ("task_settings: {train: 20}", "line 2: task 'arithmetic/word' has 20 training examples, fewer than labels=40"),
    ],
)  # fmt: skip
def test_a_mistake_in_settings_is_named_with_its_line(tmp_path, capsys, settings, says):
    (tmp_path / "g.yaml").write_text(f"task: arithmetic/word\nlabels: 40\nmethod: grpo\ncot: false\n{settings}\n")
    assert main(["run", str(tmp_path / "g.yaml"), "--dry-run"]) == 2
    assert f"g.yaml {says}" in capsys.readouterr().err


def test_a_grid_made_in_code_has_no_lines():
    with pytest.raises(RftlabError, match=r"\Awrong\Z"), Grid("g", ()).lines_named(), about("settings", {"a": 1}):
        raise RftlabError("wrong")
