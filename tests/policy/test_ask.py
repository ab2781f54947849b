"""A question to a kept policy: asked as its cell was evaluated, greedily, beside its base."""

import json

import pytest

from rftlab import record
from rftlab.cli import main
from rftlab.errors import RftlabError
from rftlab.experiment import Experiment
from rftlab.interactive.ask import ask_box
from rftlab.policy import weights
from rftlab.policy.ask import ask


@pytest.mark.parametrize("name", ["sft", "full"])
def test_the_answers_are_those_of_the_record_and_of_the_base(kept_cell, name):
    folder = kept_cell(name)
    rows = [json.loads(line) for line in (folder / record.SAMPLES).read_text().splitlines()]
    experiment = Experiment(weights.cell_of(folder))
    for row in [row for row in rows if row["part"] == "test"][:3]:
        example = next(each for each in experiment.task.test if each.id == row["item"])
        asked = ask(folder, f"  {example.prompt}\n")
        assert (asked.prompt, asked.policy.completion) == (row["prompt"], row["completion"])
        assert (asked.policy.extracted, asked.policy.truncated) == (row["extracted"], row["truncated"])
    bases = experiment.completions(3)["completion"].tolist()
    assert asked.base.completion == bases[2]


def test_an_empty_question_is_refused(kept_cell):
    with pytest.raises(RftlabError, match="there is no question"):
        ask(kept_cell("sft"), " ")


def test_the_command_prints_both_answers(kept_cell, capsys):
    folder = kept_cell("sft")
    asked = ["ask", folder.name[:5], "Tom has 3 pens and buys 4. How many?", "--results", str(folder.parents[1])]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert said.index("policy: ") < said.index("base: ")
    assert said.count("answer: ") == 2
    assert main(["ask", str(kept_cell("base")), "Who?"]) == 2
    assert "untrained base" in capsys.readouterr().err


def test_the_text_box_asks_the_policy_at_hand(kept_cell):
    folder = kept_cell("sft")
    experiment = Experiment(weights.cell_of(folder), kept=folder)
    box = ask_box(experiment)
    (question, button), said = box.children[0].children, box.children[1]
    button.click()
    assert "there is no question" in said.value
    question.value = "Tom has 3 pens and buys 4. How many?"
    button.click()
    assert "policy: " in said.value
    assert ask(folder, question.value).policy.completion.strip().replace("<", "&lt;").replace(">", "&gt;") in said.value


def test_a_question_longer_than_the_context_is_refused_before_anything_is_sampled(kept_cell, capsys, monkeypatch):
    folder, question = kept_cell("sft"), "3 + " * 600
    experiment = Experiment(weights.cell_of(folder), kept=folder)
    monkeypatch.setattr("rftlab.policy.ask.sample", lambda *args, **kwargs: pytest.fail("sampled"))
    assert main(["ask", str(folder), question]) == 2
    said = capsys.readouterr().err
    assert "the question in its prompt has " in said
    assert "more than the 512 of model 'tiny-base'" in said
    box = ask_box(experiment)
    box.children[0].children[0].value = question
    box.children[0].children[1].click()
    assert "more than the 512" in box.children[1].value
