"""A matched pair before it has run; the notebook 00_start_here runs one."""

import pytest

import rftlab


def test_both_methods_have_the_same_labels_and_seeds_and_the_base_has_none(tmp_path) -> None:
    pair = rftlab.MatchedPair("arithmetic/word", labels=6, seeds=2, results=tmp_path)
    cells = {(cell.method, cell.seed): cell for cell in pair.grid.cells}
    assert set(cells) == {(method, seed) for method in ("base", "sft", "grpo") for seed in (0, 1)}
    assert {cell.labels for cell in pair.grid.cells} == {0, 6}
    sft, grpo = (cells[method, 1].flat() for method in ("sft", "grpo"))
    assert {name for name in sft if sft[name] != grpo[name]} <= {"method", "digests"}


def test_examples_are_labels_of_the_task_whole(tmp_path) -> None:
    shown = rftlab.MatchedPair("arithmetic/word", results=tmp_path).examples(2)
    assert list(shown.columns) == ["prompt", "rationale", "answer", "reward"]
    assert all(shown["rationale"])


def test_answers_are_shown_once_there_are_some(tmp_path) -> None:
    with pytest.raises(rftlab.RftlabError, match="base .* has not run yet; call run"):
        rftlab.MatchedPair("arithmetic/word", results=tmp_path).before_after()


@pytest.mark.parametrize(
    ("values", "says"),
    [({"seeds": 0}, "seeds is 0"), ({"task": "arithmetik"}, "arithmetik"), ({"rft": "grp"}, "grpo")],
)
def test_what_cannot_work_is_said_at_once(values, says, tmp_path) -> None:
    with pytest.raises(rftlab.RftlabError, match=says):
        rftlab.MatchedPair(**{"task": "arithmetic/word", "results": tmp_path, **values})
