"""Moves are replayed by the rules."""

import pytest

from rftlab.errors import RftlabError
from rftlab.verifiers.game import Game
from tests.verifiers.cases import example, reward

MAZE = {"game": "maze", "grid": ["S.#", "#..", "##G"]}
SLIDING = {"game": "sliding", "board": [[1, 2], [0, 3]]}


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("RDRD", 1), ("right down right down", 1), ("R, D, R, D", 1), ("r->d->r->d", 1), ("RDRDRL", 0), ("RDRDR", 0),
        ("RDR", 0),
        ("RLRDRD", 1), ("DRDR", 0), ("LRDRD", 0), ("RDRD or DRDR", 0), ("", 0), ("RDRX", 0),
    ],
)  # fmt: skip
def test_maze(answer, right):
    assert reward(Game(), answer, **MAZE) == right


def test_a_maze_may_bound_the_way():
    assert reward(Game(), "RLRDRD", **MAZE, max_steps=4) == 0
    assert reward(Game(), "RDRD", **MAZE, max_steps=4) == 1


@pytest.mark.parametrize(
    ("answer", "right"), [("3", 1), ("3 3 3", 1), ("1", 0), ("2", 0), ("0", 0), ("3 x", 0), ("9", 0)]
)
def test_sliding(answer, right):
    assert reward(Game(), answer, **SLIDING) == right


def test_rush_hour():
    board = "oooooooooBooAAoBoooooooooooooooooooo"
    for answer, right in {
        "B+2 A+4": 1,
        "A+4": 0,
        "B-1 A+4": 1,
        "B-2 A+4": 0,
        "B+3, A+4": 1,
        "B+9 A+4": 0,
        "A+1 B+2 A+3": 1,
        "C+1": 0,
        "B+2": 0,
    }.items():
        assert reward(Game(), answer, game="rush_hour", board_config=board) == right, answer


def test_an_unknown_game_or_puzzle_is_not_the_answers_fault():
    with pytest.raises(RftlabError, match="no game"):
        Game(game="chess")
    for meta in (
        {},
        {"game": "chess"},
        {"game": "maze"},
        {"game": "maze", "grid": ["..."]},
        {"game": "jugs", "puzzle": 1},
    ):
        assert Game()("<answer>R</answer>", example("R", **meta)).parts["verifier_error"] == 1
