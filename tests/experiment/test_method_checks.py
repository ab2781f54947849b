"""Each check of the suite for methods catches what it is for, and a sound method of a user's own passes them all."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rftlab import cli
from rftlab.errors import RftlabError
from rftlab.experiment import method_checks as suite
from rftlab.experiment.method_checks import findings
from rftlab.experiment.method_subject import Subject
from tests.experiment import broken_methods

FILE = Path(broken_methods.__file__)
BROKEN: dict[str, tuple[Callable[[Subject], str], str]] = {
    "OneStepMore": (suite.trains_to_its_budget, "a budget of 2 steps ended after 3"),
    "CountsItself": (suite.stops_at_a_budget_of_tokens, "stop when run.monitor.step returns True"),
    "TrainsUncharged": (suite.counts_what_it_does, "FLOPs were computed and"),
    "TwoUpdatesAStep": (suite.counts_what_it_does, "the policy was updated 4 times and 2 steps were reported"),
    "ScoresInSilence": (suite.counts_what_it_does, "the verifier was asked 8 times and 0 reported"),
    "TrainsOnPrompts": (suite.trains_on_completions_alone, "a share of the prompt's tokens"),
    "TrainsOnPadding": (suite.trains_on_completions_alone, "a share of the padding's tokens"),
    "MasksNothing": (suite.trains_on_completions_alone, "without an attention mask"),
    "OwnPrompts": (suite.trains_on_completions_alone, "no row that is trained on begins with a labelled prompt"),
    "MovesTheBase": (suite.trains_the_adapter_alone, "1 weights of the base were changed"),
    "TrainsACopy": (suite.trains_the_adapter_alone, "no weight has changed"),
    "ReadsTheClock": (suite.repeats, "the same cell twice gave other weights"),
    "TrainsOnDevelopment": (suite.reads_no_held_out_items, "it reads development items"),
    "TrainsOnTest": (suite.reads_no_held_out_items, "it reads test items"),
    "SeesDevelopment": (suite.reads_no_held_out_items, "other development items gave other weights"),
    "SaysNothing": (suite.logs_finite_metrics, "no step reports train/loss or train/reward (reported: nothing)"),
    "BareName": (suite.logs_finite_metrics, "metric 'loss' has no group"),
    "NotANumber": (suite.logs_finite_metrics, "step 1 reports train/entropy = nan"),
    "NeverAsksForReasoning": (suite.trains_with_chain_of_thought_too, "no prompt asked for chain-of-thought"),
    "HasOneCap": (suite.trains_to_its_budget, "sample with run.max_new_tokens (broken_methods.py, line "),
    "HasTheOtherCap": (suite.trains_with_chain_of_thought_too, "a completion cap of 0 tokens"),
    "Unlearns": (suite.learns, "the mean reward of sampled answers was"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_method_fails_the_check_that_is_for_it(name, monkeypatch):
    monkeypatch.setattr(suite, "LEARNS_WITHIN", (5e9,))
    check, says = BROKEN[name]
    [found] = findings(Subject(f"{FILE}:{name}"), [check])
    assert found.verdict == "failed", found.sentence
    assert says in found.sentence


def test_every_check_has_a_method_that_fails_it():
    assert {check for check, _ in BROKEN.values()} == set(suite.CHECKS)


def test_a_sound_method_of_a_users_own_passes():
    found = list(findings(Subject(f"{FILE}:Sound")))
    assert [each for each in found if each.verdict != "passed"] == []


def test_once_a_training_has_failed_the_rest_is_not_judged():
    first, *rest = findings(Subject(f"{FILE}:Raises"))
    assert first.verdict == "failed"
    assert re.fullmatch(r"method '.*:Raises' raised KeyError: 'gone' \(broken_methods.py, line \d+\)", first.sentence)
    assert {found.verdict for found in rest} == {"not applicable"}


def test_a_method_that_ends_the_process_fails_on_the_command_line_with_code_1(capsys):
    assert cli.main(["check-method", f"{FILE}:EndsTheProcess"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("failed          trains to its budget: check 'trains to its budget': training")
    assert "the process ended with exit code 3" in out[0]
    assert out[1:] == ["1 check failed"]


def test_what_trains_nothing_is_not_judged(capsys):
    assert cli.main(["check-method", "base"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["not applicable"] * len(suite.CHECKS) + ["passed"]


def test_bad_input_is_no_failed_check():
    with pytest.raises(RftlabError, match="it has no 'Nothing'"):
        Subject(f"{FILE}:Nothing")
    with pytest.raises(RftlabError, match="has no setting 'x'"):
        Subject("sft", settings={"x": 3})
