"""What happened in a study is said in words that its numbers bear out."""

import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from rftlab import cli, record, report
from rftlab.answer.decisions import decide
from rftlab.answer.phrases import interval
from rftlab.cell import Cell
from rftlab.digests import with_digests
from rftlab.execute.one_cell import ERROR, FAILED
from rftlab.execute.results import write_grid as write_plan
from rftlab.grid import Grid
from rftlab.report import remarks
from tests import synthetic

NO_REWARD = "0 of {} completions were rewarded: there was nothing to learn from; SFT first"


@pytest.fixture
def skill(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets how often a method is right, for every label budget and seed alike."""

    def set_to(**values: float) -> None:
        monkeypatch.setattr(synthetic, "skill", lambda cell: values[cell.method])
        monkeypatch.setattr(synthetic.random.Random, "gauss", lambda *_: 0.0)

    return set_to


def test_a_method_alone_is_named_with_what_it_reached(tmp_path: Path, skill: Any) -> None:
    skill(sft=1)
    synthetic.write_grid(tmp_path, methods=("sft",), labels=(10,), cots=(True,), items=10)
    assert report.verdicts(tmp_path) == [
        "arithmetic/word, tiny-base, chain-of-thought, 10 labels: measured was SFT 100 %; "
        "there is nothing to compare it with."
    ]


def planned(method: str, seed: int) -> Cell:
    return with_digests(Cell.make({"method": method, "labels": 10, "seed": seed}))


@pytest.fixture
def warned(tmp_path: Path) -> Path:
    """Three seeds of GRPO and of SFT; two of GRPO's were never rewarded, one cell of the plan failed, one is left."""
    for seed, scored in enumerate((384, 400, 0)):
        synthetic.write_cell(tmp_path, planned("sft", seed).model_dump(), items=10)
        text = NO_REWARD.format(scored)
        synthetic.write_cell(tmp_path, planned("grpo", seed).model_dump(), items=10, warnings=(text,) if scored else ())
    failed, left = (planned("sft", seed) for seed in (7, 8))
    done = [Cell.make(dict(item.cell)) for item in record.read_all(tmp_path)]
    write_plan(tmp_path, Grid("study", (*done, failed, left)))
    folder = tmp_path / FAILED / failed.id
    folder.mkdir(parents=True)
    (folder / ERROR).write_text("OutOfMemoryError: <b>tried</b> to allocate\x1b[31m\n")
    return tmp_path


def test_warnings_are_counted_by_arm_and_their_numbers_put_together(warned: Path) -> None:
    found = report.happened(warned)
    assert found[0].text.startswith("tiny base: no evidence")
    assert found[0].where == ("SFT, 10 labels: 3 of 3 cells",)
    assert str(found[1]) == NO_REWARD.format("384 to 400") + " (GRPO, 10 labels: 2 of 3 cells)"


def test_numbers_inside_a_quoted_error_are_never_put_together(tmp_path: Path) -> None:
    errors = [f"the verifier raised ValueError: no answer like {seed} (v.py, line 6)" for seed in range(2)]
    for seed, text in enumerate(errors):
        synthetic.write_cell(tmp_path, planned("sft", seed).model_dump(), items=10, warnings=(text,))
    assert {remark.text for remark in report.happened(tmp_path)} >= set(errors)


def test_the_page_and_the_terminal_say_what_happened(warned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = report.write_report(warned, notebook=False)[0].read_text()
    assert NO_REWARD.format("384 to 400") in page
    assert "1 cell failed: OutOfMemoryError: &lt;b&gt;tried&lt;/b&gt; to allocate\\x1b[31m" in page
    assert "word sft n=10 cot seed 7" in page
    assert page.index("What happened") < page.index("<svg")
    assert cli.main(["status", str(warned)]) == 0
    printed = capsys.readouterr().out
    assert "8 cells" in printed
    assert f"note: {NO_REWARD.format('384 to 400')} (GRPO, 10 labels: 2 of 3 cells)" in printed
    assert "failed: word sft n=10 cot seed 7: OutOfMemoryError" in printed


def test_a_method_below_its_base_is_named_with_the_paired_difference(tmp_path: Path, skill: Any) -> None:
    skill(base=0.8, sft=0.1, grpo=1)
    synthetic.write_grid(tmp_path, labels=(10,), cots=(True,), seeds=range(10), items=60)
    (remark,) = [text for text in map(str, report.happened(tmp_path)) if "below" in text]
    assert re.match(
        r"SFT with 10 labels is below its untrained base: \d+ % against \d+ %, -\d+ \[-\d+, -\d+\]: worse", remark
    )


def test_without_a_base_in_the_grid_a_curve_that_falls_is_named(tmp_path: Path, skill: Any) -> None:
    skill(sft=0.0)
    synthetic.write_grid(tmp_path, methods=("sft",), labels=(10,), cots=(True,), items=10)
    (remark,) = [text for text in map(str, report.happened(tmp_path)) if "below" in text]
    assert (
        "SFT with 10 labels is below its untrained base: 0 % against 10 %, on the items of its learning curve" in remark
    )


def test_a_long_list_is_cut_and_counted() -> None:
    assert remarks._few([str(n) for n in range(9)]) == (*"012345", "and 3 more")


SWEPT = [
    ("decoding.temperature", (1.0, 0.5)),
    ("verifier", ("exact", "numeric")),
    ("answer_format", ("strict", "lenient")),
]


@pytest.mark.parametrize(("name", "values"), SWEPT, ids=[name for name, _ in SWEPT])
def test_every_arm_of_a_sweep_is_read_against_the_base_that_it_matches(
    name: str, values: tuple[Any, ...], tmp_path: Path, skill: Any
) -> None:
    skill(base=0.9, grpo=0.3)
    for method, value in product(("base", "grpo"), values):
        cell = {"method": method, "labels": 0 if method == "base" else 10, name: value}
        found = synthetic.contract(Cell.make(cell))
        match = {**found["match"], **({name: value} if name in found["match"] else {})}
        synthetic.write_cell(tmp_path, cell, items=30, contract={**found, "match": match})
    sentences = [text for text in report.verdicts(tmp_path) if ", 10 labels: " in text]
    assert len(sentences) == 2
    for value, text in zip(sorted(map(str, values)), sorted(sentences), strict=True):
        assert f": GRPO [{name}={value}] against untrained base [{name}={value}]: open (" in text
        assert "one seed, suggests worse" in text
        assert text.count(" against ") == 1
    assert len([text for text in map(str, report.happened(tmp_path)) if "below its untrained base" in text]) == 2
    table = report.summary(report.read_cells(tmp_path), tmp_path, ["accuracy"])
    assert set(table.loc[table["labels"] == 0, "over"]) == {"seeds and items"}


def test_a_difference_from_the_base_is_the_same_wherever_it_is_said(tmp_path: Path, skill: Any) -> None:
    skill(base=0.8, grpo=0.4)
    synthetic.write_grid(
        tmp_path, methods=("base", "grpo"), labels=(10, 50, 300), cots=(True,), seeds=(0, 1, 2), items=60
    )
    decided = [
        each.difference for each in decide(report.read_results(tmp_path)).decisions if each.measure == "accuracy"
    ]
    said = [text for text in map(str, report.happened(tmp_path)) if "below its untrained base" in text]
    page = report.write_report(tmp_path, notebook=False)[0].read_text()
    assert len(said) == len(decided) == 3
    for difference, text, verdict in zip(decided, said, report.verdicts(tmp_path), strict=True):
        assert all(interval(difference) in told for told in (text, verdict, page))


def test_what_was_run_with_other_seeds_is_named_with_what_it_reached(tmp_path: Path, skill: Any) -> None:
    skill(base=0, sft=0.5, grpo=1)
    for method, seed in (("base", 3), ("grpo", 1)):
        synthetic.write_cell(tmp_path, {"method": method, "labels": 10 * (method != "base"), "seed": seed}, items=10)
    assert report.verdicts(tmp_path)[-1].endswith("GRPO against untrained base: open (no seed in common).")
    synthetic.write_cell(tmp_path, {"method": "sft", "labels": 10, "seed": 2}, items=10)
    assert "they differ in seed (grpo 1, sft 2)" in report.verdicts(tmp_path)[0]
    assert not [text for text in report.verdicts(tmp_path) if "nan" in text]


def test_a_seed_is_all_four_of_its_numbers(tmp_path: Path) -> None:
    for method, seed in product(("base", "sft", "grpo"), (0, 1, 2)):
        labels = 10 * (method != "base")
        synthetic.write_cell(tmp_path, {"method": method, "labels": labels, "seed_sampling": seed}, items=10)
    study = report.read_results(tmp_path)
    assert (set(study.cells["variant"]), study.survey.notes) == ({""}, [])
    assert set(report.summary(study.cells, tmp_path, ["accuracy"])["n"]) == {3}
    assert {each.difference.seeds for each in decide(study).decisions} == {3}
    assert "Fewer seeds" not in report.write_report(tmp_path, notebook=False)[0].read_text()
    synthetic.write_cell(tmp_path, {"method": "grpo", "labels": 10, "seed_data": 5}, items=10)
    study = report.read_results(tmp_path)
    table = decide(study).table.query("measure == 'accuracy'").set_index(["first", "second"])
    assert table["seeds"].to_dict() == {("grpo", "sft"): 3, ("grpo", "base"): 4, ("sft", "base"): 3}
    assert study.survey.unpaired == ("grpo with 10 labels, seed 0 and seed_data 5",)
    assert "seeds" not in study.survey.same


def test_files_are_named_in_arms_by_their_short_names_alone(tmp_path: Path) -> None:
    for name, content in (("a", "1" * 12), ("b", "2" * 12)):
        cell = {
            "method": "grpo",
            "labels": 10,
            "verifier": f"/home/me/{name}.py:score",
            "digests": {"verifier": content},
        }
        synthetic.write_cell(tmp_path, cell, items=10)
    version = {"method": "grpo", "labels": 10, "verifier": "exact", "digests": {"verifier": "exact version 2"}}
    synthetic.write_cell(tmp_path, version, items=10)
    assert set(report.read_cells(tmp_path)["arm"]) == {
        "grpo [verifier=a.py:score]", "grpo [verifier=b.py:score]", "grpo [verifier=exact]"
    }  # fmt: skip
