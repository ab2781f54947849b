"""Which policies a run keeps: the best of each complete arm, the same after a crash; and whether there is room."""

from dataclasses import replace
from pathlib import Path

import pytest

from rftlab import record
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.execute import keep
from rftlab.execute.keep import Keeper, development_worth, peak_bytes, policy_bytes, require_room
from rftlab.grid import Grid
from rftlab.policy import weights
from rftlab.policy.load import load_policy
from rftlab.record import Record

SEEDS = [Cell.make({"seed": seed}) for seed in (2, 0, 1)]


def finish(results: Path, cell: Cell, accuracy: float | None, *, keep: str = "best", test: float = 0.5) -> Path:
    """A finished cell with a policy, as a kernel leaves it."""
    folder = results / "cells" / cell.id
    (folder / weights.POLICY).mkdir(parents=True)
    (folder / weights.POLICY / "adapter_model.safetensors").write_bytes(cell.id.encode())
    weights.Manifest(
        cell.id, "tiny-base", {}, cell.adapter.model_dump(mode="json"), "float32", "cpu", keep, 64, "",
        weights.files_of(folder / weights.POLICY),
    ).write(folder / weights.POLICY)  # fmt: skip
    trace = [] if accuracy is None else [{"eval/accuracy": 0.0}, {"eval/accuracy": accuracy}, {"train/loss": 1.0}]
    Record(cell.model_dump(mode="json"), cell.id, {}, {"accuracy": test}, {}).write(folder, trace=trace, samples=[])
    return folder


def kept(results: Path) -> set[int]:
    return {
        weights.cell_of(folder).seed for folder in (results / "cells").iterdir() if (folder / weights.POLICY).exists()
    }


def settle(results: Path, cells=SEEDS, keep="best", forced=False) -> None:
    Keeper(cells, results, keep, forced=forced).settle()


def test_of_a_complete_arm_the_best_on_development_items_is_kept(tmp_path):
    for cell, accuracy, test in zip(SEEDS[:2], (0.4, 0.6), (0.9, 0.1), strict=True):
        finish(tmp_path, cell, accuracy, test=test)
    settle(tmp_path)
    assert kept(tmp_path) == {0, 2}  # not complete yet
    finish(tmp_path, SEEDS[2], 0.5, test=0.8)
    settle(tmp_path)
    assert kept(tmp_path) == {0}
    assert all((tmp_path / "cells" / cell.id / record.RECORD).is_file() for cell in SEEDS)


@pytest.mark.parametrize("accuracies", [(0.5, 0.5, 0.5), (None, None, None), (0.1, 0.5, 0.5)])
def test_a_tie_goes_to_the_lowest_seed(tmp_path, accuracies):
    for cell, accuracy in zip(SEEDS, accuracies, strict=True):
        finish(tmp_path, cell, accuracy)
    settle(tmp_path)
    assert kept(tmp_path) == {0}


def test_arms_are_settled_apart_and_other_choices_remove_nothing(tmp_path):
    others = [Cell.make({"seed": seed, "labels": 10}) for seed in (0, 1)]
    for cell in SEEDS + others:
        finish(tmp_path, cell, 0.1 * cell.seed)
    for choice in ("all", "none"):
        settle(tmp_path, SEEDS + others, choice)
        assert len(list(tmp_path.glob("cells/*/policy"))) == 5
    settle(tmp_path, SEEDS + others)
    assert {path.parent.name for path in tmp_path.glob("cells/*/policy")} == {SEEDS[0].id, others[1].id}


def test_what_was_saved_to_stay_goes_only_when_best_is_asked_for_by_name(tmp_path):
    for cell in SEEDS:
        finish(tmp_path, cell, 0.1 * cell.seed, keep="all" if cell.seed else "best")
    settle(tmp_path)
    assert kept(tmp_path) == {1, 2}
    settle(tmp_path, forced=True)
    assert kept(tmp_path) == {2}


def test_a_seed_added_later_is_weighed_against_the_one_that_was_kept(tmp_path):
    for cell, accuracy in zip(SEEDS, (0.4, 0.6, 0.5), strict=True):
        finish(tmp_path, cell, accuracy)
    settle(tmp_path)
    worse, better = (Cell.make({"seed": seed}) for seed in (3, 4))
    finish(tmp_path, worse, 0.5)
    settle(tmp_path, [*SEEDS, worse])
    assert kept(tmp_path) == {0}
    finish(tmp_path, better, 0.7)
    settle(tmp_path, [*SEEDS, worse, better])
    assert kept(tmp_path) == {4}


def test_a_removal_that_was_cut_short_is_finished_by_the_next_run(tmp_path, monkeypatch):
    for cell in SEEDS:
        finish(tmp_path, cell, 0.1 * cell.seed)

    class Killed(BaseException):
        pass

    def die(*_, **__):
        if list(tmp_path.glob("cells/*/.policy.removed")):
            raise Killed

    monkeypatch.setattr(weights.shutil, "rmtree", die)
    with pytest.raises(Killed):
        settle(tmp_path)
    monkeypatch.undo()
    assert list(tmp_path.glob("cells/*/.policy.removed"))
    settle(tmp_path)
    assert kept(tmp_path) == {2}
    assert not list(tmp_path.glob("cells/*/.policy*"))


def test_the_choice_goes_by_the_record_where_development_items_were_measured(tmp_path):
    folder = finish(tmp_path, SEEDS[0], 0.4)
    assert development_worth(folder) == 0.4
    found = record.read(folder)
    assert found is not None
    found = replace(found, metrics={**found.metrics, "development_accuracy": 0.7, "development_score": 0.8})
    found.seal(folder)
    assert development_worth(folder) == 0.7
    graded = {**found.cell, "evaluation": {**found.cell["evaluation"], "decides": "score"}}
    replace(found, cell=graded).seal(folder)
    assert development_worth(folder) == 0.8


def test_a_policys_size_is_known_before_the_run(kept_cell):
    for name, slack in (("sft", 0.03), ("full", 0.03), ("base", 0.0)):
        folder = kept_cell(name)
        files = weights.read_manifest(folder).files if weights.has_policy(folder) else {}
        saved = sum(each["bytes"] for file, each in files.items() if file.endswith(".safetensors"))
        assert policy_bytes(weights.cell_of(folder)) == pytest.approx(saved, rel=slack)


def test_a_policys_size_follows_its_target_modules():
    cell = Cell.make({"adapter.target_modules": "q_proj, v_proj", "adapter.r": 4})
    assert policy_bytes(cell) == 4 * load_policy(cell).trained_parameters


def test_until_an_arm_is_complete_all_its_seeds_take_room(monkeypatch):
    monkeypatch.setattr(keep, "policy_bytes", lambda cell: cell.labels)
    arms = [[Cell.make({"labels": labels, "seed": seed}) for seed in range(3)] for labels in (10, 100)]
    in_order, in_turn = arms[0] + arms[1], [cell for pair in zip(*arms, strict=True) for cell in pair]
    assert peak_bytes(in_order, "none", 1) == 0
    assert peak_bytes(in_order, "all", 1) == 330
    assert peak_bytes(in_order, "best", 1) == 310  # one of the first arm, three of the second
    assert peak_bytes(in_turn, "best", 1) == 330
    assert peak_bytes(in_order, "best", 0) == 330  # all at once


def test_too_little_room_is_said_before_anything_runs(monkeypatch, tmp_path):
    monkeypatch.setattr(keep, "policy_bytes", lambda cell: 10**15)
    with pytest.raises(RftlabError, match=r"may take 3000.0 TB on the way, and .* left; give --keep none"):
        require_room(SEEDS, tmp_path / "not" / "there", "best", 1)
    assert require_room(SEEDS, tmp_path, "none", 1) == ""
    monkeypatch.setattr(keep, "policy_bytes", lambda cell: 10**9)
    monkeypatch.setattr(keep.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10**12})())
    assert "3.0 GB" in require_room(SEEDS, tmp_path, "all", 1)


def test_the_grid_file_says_what_is_kept(tmp_path):
    path = tmp_path / "g.yaml"
    path.write_text("keep: all\nmethod: sft\n")
    loud = Grid.load(path)
    path.write_text("method: sft\n")
    quiet = Grid.load(path)
    assert (loud.keep, quiet.keep) == ("all", "")
    assert [cell.id for cell in loud.cells] == [cell.id for cell in quiet.cells]
    path.write_text("method: sft\nkeep: some\n")
    with pytest.raises(RftlabError, match="line 2: keep is none, best or all, not 'some'"):
        Grid.load(path)
