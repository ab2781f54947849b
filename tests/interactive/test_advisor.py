"""The form of advice: fields read or refused in place, the advice redrawn, the study written and run."""

import re
import time
from pathlib import Path

import pytest

from rftlab import plots
from rftlab.advise.facts import FACTS, Facts
from rftlab.errors import RftlabError
from rftlab.interactive.advisor import Advisor
from rftlab.interactive.background import Run


@pytest.fixture
def advisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Advisor:
    monkeypatch.chdir(tmp_path)
    return Advisor(facts='{"labels": 60, "verifier": "gold", "reasoning": true}', path="study.yaml")


def controls(advisor: Advisor) -> dict:
    return {name: advisor._fields[name].control for name in FACTS}


def pressed(advisor: Advisor, name: str) -> str:
    """What is said after a press of a button of the desk."""
    next(b for b in advisor._desk.view.children[0].children if getattr(b, "description", "") == name).click()
    return advisor._desk._said.value


def test_facts_that_were_given_stand_in_the_form_and_a_change_redraws_the_advice(advisor):
    fields = controls(advisor)
    assert (fields["labels"].value, fields["verifier"].value, fields["reasoning"].value) == ("60", "gold", "yes")
    first, picture = advisor.consultation.advice.first.name, advisor._picture.value
    fields["verifier"].value = "none"
    fields["subjective"].value = "yes"
    fields["preferences"].value = "2 000"
    assert advisor.consultation.advice.first.name == "preference" != first
    assert advisor._picture.value != picture
    assert "preferences 2000" in advisor._advice.value
    assert [*advisor.table.columns] == ["title", "pro", "con", "possible"]
    assert plots.ranking(advisor.table).get_axes()


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("labels", "sixty", "labels is &#x27;sixty&#x27;; give a whole number"),
        ("labels", "-1", "give a whole number"),
        ("base_accuracy", "140%", "give a share"),
        ("prompts", "1e3", "give a whole number"),
    ],
)
def test_a_field_that_cannot_be_read_says_so_in_its_place_and_the_advice_stays(advisor, name, text, says):
    before = advisor.consultation
    controls(advisor)[name].value = text
    assert says in advisor._fields[name]._wrong.value
    assert "as it was before" in advisor._said.value
    assert advisor.consultation is before
    controls(advisor)[name].value = "?"
    assert advisor._fields[name]._wrong.value == ""
    assert "as it was before" not in advisor._said.value


def test_what_is_not_asked_is_disabled_and_counts_for_nothing(advisor):
    fields = controls(advisor)
    fields["clean"].value = "no"
    assert "clean" in advisor.consultation.advice.facts.known
    fields["labels"].value = "0"
    assert fields["clean"].disabled
    assert "clean" not in advisor.consultation.advice.facts.known


def test_a_task_is_measured_and_shown_where_nothing_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    advisor = Advisor("arithmetic/word", model="tiny-base")
    assert re.search(r"measured: \d+", controls(advisor)["labels"].placeholder)
    assert controls(advisor)["rationales"].options[0][0] == "measured: yes"
    assert advisor.consultation.study.open == ""


@pytest.mark.parametrize(
    ("path", "says"),
    [("study.txt", "ends in .yaml"), ("none/study.yaml", "there is no folder none"), ("other.yaml", "something else")],
)
def test_a_place_that_cannot_be_written_is_named_and_nothing_is(advisor, tmp_path, path, says):
    (tmp_path / "other.yaml").write_text("method: sft\n")
    advisor._desk.path.value = path
    assert says in pressed(advisor, "Write the grid")
    assert [each.name for each in tmp_path.iterdir()] == ["other.yaml"]


def test_the_grid_is_written_and_one_that_lacks_data_cannot_be_run(advisor, tmp_path):
    said = pressed(advisor, "Write the grid")
    assert "before it runs it needs your data" in said
    assert (tmp_path / "study.yaml").read_text() == advisor.consultation.study.text
    assert advisor._desk._run.disabled
    assert "written to study.yaml" in pressed(advisor, "Write the grid")


def test_a_run_that_cannot_begin_shows_the_reason(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    advisor = Advisor("arithmetic/word", model="tiny-base", path="study.yaml")
    pressed(advisor, "Write the grid")
    Path("study.yaml").write_text("method: sfft\nlabels: 10\n")
    assert "go on when this page is closed" in pressed(advisor, "Run it")
    advisor._desk._watching.join(60)
    assert "for the reason below" in advisor._desk._said.value
    assert "did you mean sft" in advisor._desk._log.value
    assert not advisor._desk._run.disabled


def test_a_machine_says_what_fits_and_the_study_has_it(advisor):
    before = advisor.consultation
    advisor._hardware.control.value = "9 parsec"
    assert "9 parsec" in advisor._hardware._wrong.value
    assert (advisor.consultation, advisor.machine) == (before, None)
    advisor._hardware.control.value = "24 GB"
    fit = advisor.machine.advised
    assert "Architecture" in advisor._advice.value
    assert f"model: {fit.anatomy.name}" in advisor.consultation.study.text
    advisor._hardware.control.value = ""
    assert advisor.machine is None
    assert "Architecture" not in advisor._advice.value


def test_facts_and_tasks_that_cannot_be_read_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments, says in (
        ({"facts": '{"label": 60}'}, "facts: there is no fact 'label'"),
        ({"facts": {"labels": -1}}, "facts: labels is -1"),
        ({"task": "arithmetik/word"}, "unknown task"),
        ({"results": "nowhere"}, "nowhere"),
        ({"hardware": "9 parsec"}, "9 parsec"),
    ):
        with pytest.raises(RftlabError, match=re.escape(says)):
            Advisor(**arguments)
    assert Advisor(facts=Facts(labels=3)).consultation.advice.facts.labels == 3


@pytest.mark.slow
def test_a_study_runs_by_itself_says_how_far_it_is_and_can_be_stopped(tmp_path):
    grid = tmp_path / "small.yaml"
    grid.write_text(
        "model: tiny-base\ntask: arithmetic/word\nmethod: sft\nlabels: 8\nseed: [0, 1]\nbudget.amount: 4000\n"
        "evaluation: {test_items: 8, train_items: 4, sampled_items: 0, ood_items: 0, along_items: 4}\n"
    )
    run = Run(grid)
    run.start()
    with pytest.raises(RftlabError, match="working in .* already"):
        run.start()
    seen = []
    until = time.monotonic() + 90
    while time.monotonic() < until and not any(each.running and each.running[0].step for each in seen):
        seen += [run.progress] if run.progress else []
        time.sleep(0.3)
    assert seen[-1].cells == 2
    assert seen[-1].running[0].steps in str(seen[-1].running[0])
    run.stop()
    while run.going and time.monotonic() < until:
        time.sleep(0.2)
    assert run.exit_code == 130
    assert run.progress is None
