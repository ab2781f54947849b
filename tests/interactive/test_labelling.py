"""What the labelling notebook calls: the right queue, and agreement or what is missing to say it."""

from pathlib import Path

import pytest

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.interactive.labelling import agreement, make_queue
from rftlab.tasks.choices import Choice, read_choices, write_choices
from tests.judging.study import write_study


@pytest.fixture
def experiment() -> Experiment:
    return Experiment(Cell.make({"task": "arithmetic/word", "labels": 10, "seed": 0}))


def test_a_second_labeller_judges_the_firsts_pairs_and_hears_what_is_missing(experiment, tmp_path: Path) -> None:
    first, second = tmp_path / "ada.jsonl", tmp_path / "bob.jsonl"
    example = experiment.labels.train[0]
    right = f"<answer>{example.answer}</answer>"
    write_choices(first, [Choice(example.prompt, right, "no idea", "first", "Ada")])
    assert agreement(first).startswith("One labeller so far.")
    assert agreement(second, again=first) == f"Nothing is judged in {second} yet."
    queue = make_queue(experiment, second, labeller="Bob", again=first)
    said = queue.opinion()
    place = "first" if queue.current[1] == right else "second"
    assert f"the {place} 1 (read as {example.answer})" in said
    assert said.endswith(f"The gold answer is {example.answer}")
    queue.choose(place)
    assert agreement(second, again=first).startswith("Ada and Bob agree on 100%")
    assert read_choices(second)[0].opinion_seen


@pytest.mark.parametrize(
    ("path", "more", "says"),
    [("", {}, "a pairs file needs a name"), ("p.jsonl", {"pairs": 0}, "pairs is 0; give"),
     ("p.jsonl", {"again": "../here/p.jsonl"}, "give a path of your own")],
)  # fmt: skip
def test_what_gives_nothing_to_judge_is_refused_in_a_sentence(
    experiment, tmp_path: Path, monkeypatch, path: str, more: dict, says: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(RftlabError, match=says):
        make_queue(experiment, path, **more)


def test_a_study_is_judged_under_ones_name_and_agreement_is_of_every_two_people(experiment, tmp_path: Path) -> None:
    study = write_study(tmp_path / "s", lambda method, seed, n: f"{method}{seed}{n}", methods=("base", "sft"), items=2)
    for name in ("Ada", "Bob"):
        assert "One person so far" in agreement("", study=study)
        queue = make_queue(experiment, "", labeller=name, study=study)
        while queue.current:
            queue.choose("first" if "sft" in queue.current[1] else "second")
    make_queue(experiment, "", labeller="Cy", study=study)
    assert agreement("", study=study).startswith("Ada and Bob agree on 100%")
    assert "Cy" not in agreement("", study=study)
