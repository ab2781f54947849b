"""Rules of the games: each replays an answer on the puzzle in `meta` and says what is wrong, "" where it is solved.

Puzzles are read as reasoning-gym writes them into its metadata. Answers are bounded by the caller (20 000 characters),
so every replay is; nothing in an answer is evaluated.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from math import isqrt
from typing import Any

Rule = Callable[[str, Mapping[str, Any]], str]

_STEPS = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}
_STEP_WORDS = re.compile(r"up|down|left|right|[udlr]", re.IGNORECASE)
_FILLER = re.compile(r"[\s,;>|-]|→")
_HANOI = re.compile(
    r"(?:move )?disk (\d{1,3}) from (?:peg )?(\d{1,3}) to (?:peg )?(\d{1,3})\.?", re.IGNORECASE | re.ASCII
)
_RUSH = re.compile(r"([A-Z])([+-])(\d)")
_JUG = re.compile(r"(fill|empty) ([A-Z])|pour ([A-Z]) ?-> ?([A-Z])", re.IGNORECASE)
_RUSH_SIZE, _RUSH_ROW = 6, 2


class Illegal(Exception):
    """A move the rules do not allow, or text that is no move."""


def maze(answer: str, meta: Mapping[str, Any]) -> str:
    """Walk from `start` to `goal` through `grid` without entering `wall`; `max_steps` bounds the way if given."""
    grid = [str(row) for row in meta["grid"]]
    start, goal, wall = (str(meta.get(key, mark)) for key, mark in (("start", "S"), ("goal", "G"), ("wall", "#")))
    row, column = _find(grid, start)
    steps = _directions(answer)
    for down, right in steps:
        row, column = row + down, column + right
        if _at(grid, row, column, wall) == wall:
            raise Illegal("walks into a wall")
    if len(steps) > int(meta.get("max_steps", len(steps))):
        return "the way is too long"
    return "" if grid[row][column] == goal else "does not end at the goal"


def sokoban(answer: str, meta: Mapping[str, Any]) -> str:
    """Push every box onto a goal; marks: * player, % player on a goal, @ box, $ box on a goal, X goal, + wall."""
    grid = [line.split() if " " in line else list(line) for line in str(meta["gamestr"]).splitlines() if line.strip()]
    cells = {(r, c): mark for r, line in enumerate(grid) for c, mark in enumerate(line)}
    boxes = {place for place, mark in cells.items() if mark in "@$"}
    goals = {place for place, mark in cells.items() if mark in "X$%"}
    player = next(place for place, mark in cells.items() if mark in "*%")
    for down, right in _directions(answer):
        player = (player[0] + down, player[1] + right)
        if player in boxes:
            beyond = (player[0] + down, player[1] + right)
            if beyond in boxes or cells.get(beyond, "+") == "+":
                raise Illegal("pushes a box against something")
            boxes = boxes - {player} | {beyond}
        if cells.get(player, "+") == "+":
            raise Illegal("walks into a wall")
    return "" if boxes <= goals and len(boxes) else "leaves a box off its goal"


def tower_of_hanoi(answer: str, meta: Mapping[str, Any]) -> str:
    """Move all disks from `start_peg` to `target_peg`, lines `Move disk X from Peg Y to Peg Z`."""
    start, target = int(meta["start_peg"]), int(meta["target_peg"])
    pegs: dict[int, list[int]] = {peg: [] for peg in range(1, int(meta["num_pegs"]) + 1)}
    pegs[start] = list(range(int(meta["num_disks"]), 0, -1))
    for line in _lines(answer):
        found = _HANOI.fullmatch(line)
        if not found:
            raise Illegal(f"no move: {line[:60]!r}")
        disk, source, destination = map(int, found.groups())
        if source not in pegs or destination not in pegs or pegs[source][-1:] != [disk]:
            raise Illegal(f"disk {disk} is not on top of peg {source}")
        if pegs[destination] and pegs[destination][-1] < disk:
            raise Illegal(f"disk {disk} on a smaller one")
        pegs[destination].append(pegs[source].pop())
    return "" if len(pegs[target]) == int(meta["num_disks"]) else "does not move every disk to the target"


def n_queens(answer: str, meta: Mapping[str, Any]) -> str:
    """Complete the board `puzzle` (rows of Q and _) so that no two queens attack each other."""
    puzzle = meta["puzzle"]
    board = [line.split() if " " in line else list(line) for line in _lines(answer)]
    _same_givens(board, puzzle, "_")
    queens = [(r, c) for r, line in enumerate(board) for c, mark in enumerate(line) if mark == "Q"]
    if any(mark not in ("Q", "_") for line in board for mark in line):
        raise Illegal("a mark that is neither Q nor _")
    for lines in (
        [r for r, _ in queens],
        [c for _, c in queens],
        [r - c for r, c in queens],
        [r + c for r, c in queens],
    ):
        if len(set(lines)) < len(lines):
            return "two queens attack each other"
    return "" if len(queens) == len(puzzle) else f"{len(queens)} queens on a board of {len(puzzle)}"


def sudoku(answer: str, meta: Mapping[str, Any]) -> str:
    """Complete the grid `puzzle` (0 for empty); blocks are square, or 2 x 3 for size 6."""
    puzzle = [[int(value) for value in row] for row in meta["puzzle"]]
    size = len(puzzle)
    height = isqrt(size)
    width = size // height
    board = [line.split() for line in _lines(answer)]
    if any(len(value) > 3 or not (value.isascii() and value.isdecimal()) for row in board for value in row):
        raise Illegal("a cell that is no number")
    grid = [[int(value) for value in row] for row in board]
    _same_givens(grid, puzzle, 0)
    blocks = [
        [grid[r + i][c + j] for i in range(height) for j in range(width)]
        for r in range(0, size, height)
        for c in range(0, size, width)
    ]
    groups = [*grid, *zip(*grid, strict=True), *blocks]
    full = set(range(1, size + 1))
    return (
        "" if all(set(group) == full for group in groups) else "a row, column or block does not hold each number once"
    )


def sliding(answer: str, meta: Mapping[str, Any]) -> str:
    """Slide tiles of `board` (0 is the gap) into order; the answer lists the numbers of the tiles moved."""
    tiles = [int(value) for row in meta["board"] for value in row]
    width = len(meta["board"][0])
    goal = [int(v) for row in meta["goal"] for v in row] if "goal" in meta else [*range(1, len(tiles)), 0]
    for word in re.split(r"[\s,;]+", answer.strip()):
        if len(word) > 3 or not (word.isascii() and word.isdecimal()) or int(word) not in tiles:
            raise Illegal(f"no tile: {word[:20]!r}")
        gap, tile = tiles.index(0), tiles.index(int(word))
        if abs(gap // width - tile // width) + abs(gap % width - tile % width) != 1:
            raise Illegal(f"tile {word} is not beside the gap")
        tiles[gap], tiles[tile] = tiles[tile], 0
    return "" if tiles == goal else "does not reach the goal"


def rush_hour(answer: str, meta: Mapping[str, Any]) -> str:
    """Free car A of `board_config` (6 x 6, o empty, x wall) to the right edge by moves such as `F+1 K-2`."""
    board = str(meta["board_config"]).replace(".", "o")
    cars = {letter: {i for i, mark in enumerate(board) if mark == letter} for letter in set(board) - {"o", "x"}}
    walls = {i for i, mark in enumerate(board) if mark == "x"}
    moves = [_RUSH.fullmatch(word) for word in re.split(r"[\s,;]+", answer.strip())]
    for move in moves:
        if move is None or move[1] not in cars:
            raise Illegal("no move of the form F+1, or no such car")
        flat = len({cell // _RUSH_SIZE for cell in cars[move[1]]}) == 1
        step = (1 if flat else _RUSH_SIZE) * (1 if move[2] == "+" else -1)
        for _ in range(int(move[3])):
            old = cars[move[1]]
            new = {cell + step for cell in old}
            leaves = any(not 0 <= c < len(board) for c in new) or (flat and len({c // _RUSH_SIZE for c in new}) > 1)
            if leaves or new & (walls | set().union(*(c for name, c in cars.items() if name != move[1]))):
                raise Illegal(f"car {move[1]} is blocked")
            cars[move[1]] = new
    return "" if max(cars["A"]) == _RUSH_ROW * _RUSH_SIZE + _RUSH_SIZE - 1 else "car A is not at the exit"


def jugs(answer: str, meta: Mapping[str, Any]) -> str:
    """Fill, empty and pour until some jug holds the target; a JSON list or one move a line."""
    sizes, target = [int(size) for size in meta["puzzle"]["jug_capacities"]], int(meta["puzzle"]["target"])
    full = [0] * len(sizes)
    for move in _json_list(answer) if answer.lstrip().startswith("[") else _lines(answer):
        found = _JUG.fullmatch(str(move).strip())
        named = [ord(letter.upper()) - ord("A") for letter in (found.groups()[1:] if found else ()) if letter]
        if not found or any(jug >= len(sizes) for jug in named):
            raise Illegal(f"no move: {str(move)[:60]!r}")
        if found[1]:
            full[named[0]] = sizes[named[0]] if found[1].lower() == "fill" else 0
        elif named[0] != named[1]:
            poured = min(full[named[0]], sizes[named[1]] - full[named[1]])
            full[named[0]] -= poured
            full[named[1]] += poured
    return "" if target in full else "no jug holds the target"


def knight_swap(answer: str, meta: Mapping[str, Any]) -> str:
    """Swap white and black knights by alternating moves, a JSON list of `w,A1,B3`; "No" where it is impossible."""
    if "is_possible" in meta and not meta["is_possible"]:
        return "" if answer.strip().strip('."').lower() == "no" else "it is impossible"
    pieces = dict(meta["pieces"])
    swapped = {square: {"w": "B", "B": "w"}.get(piece) for square, piece in pieces.items()}
    turn = str(meta.get("start_turn", "w"))
    for move in _json_list(answer):
        parts = str(move).split(",")
        if len(parts) != 3 or parts[0] != turn or pieces.get(parts[1]) != turn:
            raise Illegal(f"not the turn or the place of that knight: {str(move)[:40]!r}")
        if parts[2] not in meta["board"][parts[1]] or pieces.get(parts[2]) is not None:
            raise Illegal(f"no knight's move to an empty square: {str(move)[:40]!r}")
        pieces[parts[1]], pieces[parts[2]] = None, turn
        turn = "B" if turn == "w" else "w"
    return "" if pieces == swapped else "the knights are not swapped"


def graph_color(answer: str, meta: Mapping[str, Any]) -> str:
    """Colour the graph in `puzzle`; a JSON mapping of vertex to colour."""
    puzzle = meta["puzzle"]
    value = _json(answer)
    if not isinstance(value, dict) or set(value) != {str(vertex) for vertex in puzzle["vertices"]}:
        raise Illegal("not a JSON mapping of every vertex to a colour")
    allowed = {str(colour) for colour in puzzle["color_options"]}
    if not all(str(colour) in allowed for colour in value.values()):
        return "a colour that is not offered"
    clash = next((edge for edge in puzzle["edges"] if str(value[str(edge[0])]) == str(value[str(edge[1])])), None)
    return f"vertices {clash[0]} and {clash[1]} are joined and alike" if clash else ""


RULES: Mapping[str, Rule] = {
    "maze": maze, "sokoban": sokoban, "tower_of_hanoi": tower_of_hanoi, "n_queens": n_queens, "sudoku": sudoku,
    "mini_sudoku": sudoku, "sliding": sliding, "rush_hour": rush_hour, "jugs": jugs, "knight_swap": knight_swap,
    "graph_color": graph_color,
}  # fmt: skip


def _directions(answer: str) -> list[tuple[int, int]]:
    if _FILLER.sub("", _STEP_WORDS.sub("", answer)):
        raise Illegal("something that is no step up, down, left or right")
    return [_STEPS[word[0].upper()] for word in _STEP_WORDS.findall(answer)]


def _find(grid: Sequence[str], mark: str) -> tuple[int, int]:
    return next((r, line.index(mark)) for r, line in enumerate(grid) if mark in line)


def _at(grid: Sequence[str], row: int, column: int, outside: str) -> str:
    inside = 0 <= row < len(grid) and 0 <= column < len(grid[row])
    return grid[row][column] if inside else outside


def _lines(answer: str) -> list[str]:
    return [line.strip() for line in answer.splitlines() if line.strip()]


def _same_givens(board: Sequence[Sequence[Any]], puzzle: Sequence[Sequence[Any]], empty: Any) -> None:
    if [len(row) for row in board] != [len(row) for row in puzzle]:
        raise Illegal("a board of another size")
    if any(
        p not in (empty, b) for row, given in zip(board, puzzle, strict=True) for b, p in zip(row, given, strict=True)
    ):
        raise Illegal("changes what was given")


def _json(answer: str) -> Any:
    try:
        return json.loads(answer)
    except (ValueError, RecursionError):
        raise Illegal("not valid JSON") from None


def _json_list(answer: str) -> list[Any]:
    value = _json(answer)
    if not isinstance(value, list):
        raise Illegal("not a JSON list")
    return value
