"""Puzzles and games: the moves are replayed by the rules, and any way to the goal is right."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rftlab.errors import RftlabError
from rftlab.verifiers.base import Gold, Judgement, Verifier, cannot_judge
from rftlab.verifiers.gym.rules import RULES, Illegal


class Game(Verifier):
    """Correct (1.0) if the answer's moves are legal and reach the goal, else 0.0; `detail` says where not.

    Games: maze, sokoban, tower_of_hanoi, n_queens, sudoku (and mini_sudoku), sliding, rush_hour, jugs, knight_swap,
    graph_color. The puzzle is read from `meta`, in the form of reasoning-gym's metadata where it has the game.

    Args:
        game: the game; empty takes `meta["game"]`, then `meta["source_dataset"]`.
        **settings: see `Verifier`.

    Raises:
        RftlabError: no such game.
    """

    row: ClassVar[Mapping[str, Any]] = {"prompt": "From S to G.", "answer": "RD", "game": "maze", "grid": ["S.", "#G"]}

    needs_gold, says_why = False, True

    def __init__(self, *, game: str = "", **settings: Any) -> None:
        super().__init__(**settings)
        if game and game not in RULES:
            raise RftlabError(f"game: no game {game!r}; known: {', '.join(RULES)}")
        self._game = game

    def judge(self, answer: str, example: Gold) -> Judgement:
        """Replay one extracted answer."""
        name = self._game or str(example.meta.get("game") or example.meta.get("source_dataset") or "")
        if name not in RULES:
            return cannot_judge(f"no game {name!r}; known: {', '.join(RULES)}")
        try:
            problem = RULES[name](answer, example.meta)
        except Illegal as error:
            problem = str(error)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, StopIteration) as error:
            return cannot_judge(f"meta does not describe a {name} puzzle: {type(error).__name__}: {error}")
        return Judgement(float(not problem), detail=problem)
