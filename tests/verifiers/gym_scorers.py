"""reasoning-gym's own scorers, called in an isolated worker: several of them execute the answer."""

import functools

import reasoning_gym


@functools.cache
def _dataset(name):
    return reasoning_gym.create_dataset(name, size=1, seed=0)


def full_marks(name, answer, entry):
    return bool(_dataset(name).score_answer(answer, entry) >= 1)


for _name in (
    "countdown",
    "tower_of_hanoi",
    "n_queens",
    "rush_hour",
    "graph_color",
    "mini_sudoku",
    "jugs",
    "knight_swap",
    "sokoban",
):
    _dataset(_name)
