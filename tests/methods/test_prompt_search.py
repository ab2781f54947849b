"""prompt-search: what is tried with so many FLOPs, what is taken, and what is kept of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.experiment.kept_evaluation import evaluate_kept
from rftlab.methods import prompt_search
from rftlab.methods.base import load_method, make_settings
from rftlab.methods.prompt_search import Asked, Prompt, PromptSearchSettings, instructions_of
from rftlab.policy import ask, export, weights
from rftlab.policy.kept import load_kept
from rftlab.record import Record, read
from tests.common import judge_stub
from tests.conftest import SMALL

FLOPS = 4e9


def searched(**values: Any) -> Cell:
    """A small cell that searches."""
    settings = {"flops": FLOPS, "shots": [0, 1], **values.pop("settings", {})}
    return Cell.make({**SMALL, "method": "prompt-search", "labels": 10, "settings": settings, **values})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cell that has searched, its prompt kept."""
    cell = searched()
    experiment = Experiment(cell, out=tmp_path_factory.mktemp("search") / "cells" / cell.id)
    experiment.train()
    experiment.evaluate()
    return experiment.save().parent


@pytest.fixture(scope="module")
def record(folder: Path) -> Record:
    """Its record."""
    found = read(folder)
    assert found is not None
    return found


def test_the_bare_prompt_is_always_tried_and_what_is_taken_was_right_most_often(record: Record) -> None:
    tried = [each["settings"] for each in record.tuning]
    assert tried[0] == {"instruction": "", "shots": 0}
    [taken] = [each for each in record.tuning if each["chosen"]]
    longest = max(each["validation_items"] for each in record.tuning)
    finalists = [each for each in record.tuning if each["validation_items"] == longest]
    assert taken in finalists
    assert taken["validation_accuracy"] == max(each["validation_accuracy"] for each in finalists)
    assert taken["settings"].items() <= record.contract["arm"]["chosen"].items()


def test_no_more_is_spent_than_the_flops_and_all_of_it_is_counted(record: Record) -> None:
    assert 0.2 * FLOPS < record.cost["flops"] <= FLOPS
    assert record.cost["verifier_calls"] == sum(each["validation_items"] for each in record.tuning)
    assert record.cost["optimizer_steps"] == 0


def test_the_better_half_is_asked_more_labels(record: Record) -> None:
    asked = sorted({each["validation_items"] for each in record.tuning})
    assert asked[0] >= 4
    if len(asked) > 1:
        assert sum(each["validation_items"] == asked[0] for each in record.tuning) >= len(record.tuning) // 2


def test_few_flops_try_few_prompts_and_none_the_bare_one() -> None:
    poor = Experiment(searched(settings={"flops": 3e8}))
    poor.train()
    [said] = [each for each in poor._budget_warnings if "prompts were tried" in each]
    assert "FLOPs hold no more" in said
    none = Experiment(searched(settings={"flops": 1.0}))
    none.train()
    assert none.chosen == {"instruction": "", "shots": 0, "choice": "random"}
    assert none.cost.flops == 0


def test_a_budget_in_steps_is_what_sft_takes_for_it() -> None:
    cells = {unit: {"budget.unit": unit, "budget.amount": 2.0} for unit in ("steps", "seconds")}
    sft = Experiment(Cell.make({**SMALL, "method": "sft", "labels": 16, **cells["steps"]}))
    sft.train()
    found = {}

    def looked(run: Any) -> None:
        found["flops"] = prompt_search.flops_of_budget(run)

    search = Experiment(Cell.make({**SMALL, "method": "prompt-search", "labels": 16, **cells["steps"]}))
    search.method.train = looked  # type: ignore[method-assign]
    search.train()
    assert found["flops"] == pytest.approx(sft.cost.flops, rel=0.1)
    timed = Experiment(Cell.make({**SMALL, "method": "prompt-search", "labels": 8, **cells["seconds"]}))
    with pytest.raises(RftlabError, match="budget.unit is seconds; give settings.flops"):
        timed.train()


def test_a_kept_prompt_answers_as_it_did_and_the_base_is_asked_without_it(folder: Path, record: Record) -> None:
    kept = load_kept(folder)
    chosen = record.contract["arm"]["chosen"]
    assert (kept.template.instruction, kept.template.count) == (chosen["instruction"], chosen["shots"])
    assert [path.name for path in sorted((folder / weights.POLICY).iterdir())] == ["manifest.json", "prompt.json"]
    asked = ask.ask(folder, "3 + 4 = ?")
    assert asked.prompt.startswith(chosen["instruction"])
    measured = evaluate_kept(folder)
    assert "Every metric equals the record's." in measured.notes
    assert measured.metrics["policy"]["accuracy"] == record.metrics["accuracy"]


def test_a_kept_prompt_is_no_weights(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RftlabError, match="takes weights, and cell .* keeps a prompt"):
        export.write_model(folder, tmp_path / "out")
    with pytest.raises(RftlabError, match="start_from takes weights"):
        Experiment(Cell.make({**SMALL, "method": "sft", "labels": 4, "start_from": str(folder)}))


def test_a_prompt_that_was_changed_is_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "cells" / folder.name
    other.parent.mkdir()
    other.symlink_to(folder)
    manifest = weights.read_manifest(folder)
    body = json.loads((folder / weights.POLICY / weights.PROMPT).read_text())
    assert manifest.digest != weights.Manifest(**{**vars(manifest), "files": {weights.PROMPT: {"sha256": "x"}}}).digest
    assert set(body) == {"instruction", "count", "choice", "cot", "pool"}


def test_own_instructions_come_first_and_a_file_without_any_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("# mine\n  Answer   in\tFrench. \n\n")
    own, packaged = instructions_of(PromptSearchSettings(instructions_file=str(path)))
    assert own == ["Answer in French."]
    assert "Let's think step by step." in packaged
    assert not any(line.startswith("#") for line in packaged)
    path.write_text("# nothing\n")
    with pytest.raises(RftlabError, match="mine.txt holds no instruction; write one a line"):
        instructions_of(PromptSearchSettings(instructions_file=str(path)))
    with pytest.raises(RftlabError, match="gone.txt cannot be read: No such file"):
        instructions_of(PromptSearchSettings(instructions_file=str(tmp_path / "gone.txt")))


def test_without_gepa_one_sentence_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_search, "find_spec", lambda name: None)
    with pytest.raises(
        RftlabError, match=r"method 'prompt-search': proposer gepa takes .*; pip install 'rftlab\[gepa]'"
    ):
        make_settings(load_method("prompt-search"), "prompt-search", "gepa", {})
    with pytest.raises(RftlabError, match="takes both, reflector_url and reflector_model"):
        make_settings(load_method("prompt-search"), "prompt-search", "", {"reflector_url": "http://localhost/v1"})


def test_of_as_good_candidates_the_earlier_half_goes_on() -> None:
    asked = [Asked(Prompt(str(i), 0), [worth]) for i, worth in enumerate((0.0, 1.0, 1.0, 1.0, 0.0))]
    assert [one.prompt.instruction for one in prompt_search._better_half(asked)] == ["1", "2", "3"]


@pytest.mark.slow
def test_gepa_proposes_with_half_of_the_flops_and_its_text_is_one_line() -> None:
    pytest.importorskip("gepa")
    experiment = Experiment(searched(preset="gepa", settings={"flops": 8e9}))
    experiment.train()
    assert experiment.cost.flops <= 8.4e9
    texts = [each["settings"]["instruction"] for each in experiment._found["tried"]]
    assert "Answer the question." in texts
    assert all(text == " ".join(text.split()) and len(text) <= prompt_search.LONGEST for text in texts)


@pytest.mark.slow
def test_gepa_asks_a_named_endpoint_whose_words_are_tried_and_whose_tokens_are_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("gepa")
    tried: list[str] = []
    answers = prompt_search.Search.answers

    def noted(search: prompt_search.Search, prompt: Prompt, items: Any) -> list[dict[str, Any]]:
        tried.append(prompt.instruction)
        return answers(search, prompt, items)

    monkeypatch.setattr(prompt_search.Search, "answers", noted)
    written = judge_stub.says("Now:\n```\nShow\tyour working,\n\x1b[1mthen answer.\n```")
    with judge_stub.running() as stub:
        stub.replies = [(200, written)] * 200
        settings = {"flops": 8e9, "reflector_url": stub.url, "reflector_model": "writer"}
        experiment = Experiment(searched(preset="gepa", settings=settings))
        experiment.train()
        asked = [request["messages"][-1]["content"] for request in stub.seen]
        assert asked
        assert {request["model"] for request in stub.seen} == {"writer"}
        assert all("Answer the question." in text or "Show your working" in text for text in asked)
    assert "Show your working, [1mthen answer." in tried
    spent = experiment.cost
    assert spent.completions == spent.verifier_calls > 0
    assert spent.flops <= 8.4e9


@pytest.mark.slow
def test_requests_that_an_endpoint_refused_are_counted_and_no_empty_instruction_is_tried() -> None:
    pytest.importorskip("gepa")
    with judge_stub.running() as stub:
        stub.replies = [(200, judge_stub.says("```\nThink first.\n```"))] + [(400, b"")] * 200
        settings = {"flops": 8e9, "reflector_url": stub.url, "reflector_model": "writer"}
        experiment = Experiment(searched(preset="gepa", settings=settings))
        experiment.train()
        refused = len(stub.seen) - 1
    [said] = [each for each in experiment._budget_warnings if "reflector" in each]
    assert said.startswith(f"the reflector gave no answer to {refused} of {refused + 1} requests (HTTP 400)")


@pytest.mark.slow
def test_an_endpoint_that_never_answers_ends_the_search_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gepa")
    with judge_stub.running() as stub:
        stub.replies = [(401, b"")] * 9
        settings = {"flops": 8e9, "reflector_url": stub.url, "reflector_model": "writer"}
        experiment = Experiment(searched(preset="gepa", settings=settings))
        with pytest.raises(RftlabError, match=r"^reflector: http://127.* does not answer: HTTP 401; check endpoint"):
            experiment.train()
