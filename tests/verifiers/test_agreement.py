"""Our verdicts beside those of reasoning-gym's own scorers, on right and spoilt answers."""

import json
import random
import sys
from pathlib import Path

import pytest
import reasoning_gym

from rftlab.sandbox.library import IsolatedWorker
from rftlab.verifiers.game import Game
from rftlab.verifiers.solver import Solver
from tests.verifiers.cases import reward

GAMES = ("tower_of_hanoi", "n_queens", "sokoban", "mini_sudoku", "graph_color", "jugs", "knight_swap")


@pytest.fixture(scope="module")
def theirs():
    sys.path.insert(0, str(Path(__file__).parent))
    worker = IsolatedWorker("gym_scorers:full_marks", seconds=5.0, fresh=True)

    def verdicts(name, cases):
        plain = [(name, answer, json.loads(json.dumps(entry))) for entry, answer in cases]
        return [float(bool(verdict)) for verdict in worker.map(plain)]

    yield verdicts
    worker.close()
    sys.path.remove(str(Path(__file__).parent))


def spoilt(answer, rng):
    """The answer with two pieces swapped, with one dropped, with some doubled, and its first piece alone."""
    joint = "\n" if "\n" in answer else " " if " " in answer else ""
    pieces = answer.split(joint) if joint else list(answer)
    i, j = sorted(rng.sample(range(len(pieces)), 2))
    swapped = [*pieces[:i], pieces[j], *pieces[i + 1 : j], pieces[i], *pieces[j + 1 :]]
    return [
        joint.join(each) for each in (swapped, pieces[:i] + pieces[i + 1 :], pieces[: j + 1] + pieces[j:], pieces[:1])
    ]


@pytest.mark.parametrize("name", GAMES)
def test_games(name, theirs):
    rng, cases = random.Random(name), []
    dataset = reasoning_gym.create_dataset(name, size=3, seed=11)
    for entry in (dataset[index] for index in range(3)):
        gold = entry["answer"] or json.dumps(entry["metadata"]["possible_answer"])
        cases += [(entry, answer) for answer in (gold, *(spoilt(gold, rng) if len(gold) > 3 else []), "junk", "[]")]
    ours = [reward(Game(), answer, **json.loads(json.dumps(entry["metadata"]))) for entry, answer in cases]
    given = theirs(name, cases)
    assert sum(ours) >= 3
    if name == "sokoban":  # there a step into a wall is no step; here it is an illegal move
        assert all(mine <= his for mine, his in zip(ours, given, strict=True))
    else:
        assert ours == given


def test_countdown(theirs):
    dataset = reasoning_gym.create_dataset("countdown", size=6, seed=5)
    cases = []
    for entry in (dataset[index] for index in range(6)):
        gold = entry["answer"]
        cases += [(entry, answer) for answer in (gold, gold.replace("+", "-", 1), f"{gold}+0*1", "7", "junk")]
    ours = []
    for entry, answer in cases:
        puzzle = {"numbers": entry["metadata"]["numbers"], "target": entry["metadata"]["target"]}
        ours.append(reward(Solver(), answer, **puzzle, use="all"))
    assert ours == theirs("countdown", cases)
    assert sum(ours) >= 6
