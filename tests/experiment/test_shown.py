"""`rftlab show`: what will be put to the model and what it is taught, before anyone trains."""

import json

import pytest

from rftlab.cli import main
from rftlab.experiment.shown import shown
from rftlab.grid import Grid


@pytest.fixture
def grid(tmp_path):
    rows = [{"prompt": f"What is {i} + 1?", "answer": str(i + 1), "rationale": f"{i}+1={i + 1}"} for i in range(40)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = tmp_path / "g.yaml"
    path.write_text(
        "task: file\ntask_settings: {path: data.jsonl}\nmethod: [base, sft, grpo]\nlabels: 5\ncot: [true, false]\n"
        "evaluation.along_the_way: 0\n"
    )
    return path


def texts(grid, examples=1):
    return "\n".join(
        shown({"cells": [cell.flat() for cell in Grid.load(grid).cells], "examples": examples, "limit": 60})
    )


def test_each_way_of_asking_is_shown_once_with_tokens_and_rewards(grid):
    said = texts(grid, examples=2)
    assert said.count("judged by") == 2
    assert said.count("reward 1") == said.count("gold completion") == 4
    assert "    | Q: What is" in said
    assert "<answer>" in said


def test_a_gold_completion_that_is_not_paid_says_why(grid):
    text = grid.read_text()
    (grid.parent / "checks.py").write_text("def judge(completion, example):\n    return 1 / 0\n")
    grid.write_text(text + "verifier: checks.py:judge\n")
    assert "reward 0 (the verifier raised ZeroDivisionError" in texts(grid)


def test_a_rationale_that_is_not_there_is_said(grid):
    rows = [{"prompt": f"What is {i} + 1?", "answer": str(i + 1)} for i in range(40)]
    (grid.parent / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    grid.write_text(grid.read_text().replace("base, sft, grpo", "base, grpo"))
    assert "without a rationale: it has none: reward 1" in texts(grid)


def test_control_characters_of_data_do_not_reach_the_terminal(grid, capsys):
    rows = [{"prompt": f"What is {i}?\u001b[31m", "answer": str(i)} for i in range(40)]
    (grid.parent / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    grid.write_text(grid.read_text().replace("cot: [true, false]", "cot: false"))
    assert main(["show", str(grid), "--examples", "1"]) == 0
    said = capsys.readouterr().out
    assert "\u001b" not in said
    assert r"\x1b[31m" in said
