"""Plain Python values as JSON trees of exact types, and how two such trees are compared.

What crosses the sandbox's boundary is one of these trees: the child encodes what a function returned, the driver
compares the tree with the expected value's. Only builtins of exactly the named type are encoded, so a subclass of
``int`` whose ``__eq__`` always says yes arrives as ``["!", "Evil"]`` and equals nothing. The driver never pickles,
evaluates or rebuilds what a child sent; it turns both trees into canonical text and compares the text.

The trees: ``null``, ``true``, text and integers below 2**53 stand for themselves; everything else is a list that starts
with its tag: ``["i", hex]``, ``["f", float.hex]``, ``["c", re, im]``, ``["b", hex]``, ``["ba", hex]``, ``["l", ...]``,
``["t", ...]``, ``["s", ...]``, ``["fs", ...]``, ``["d", [key, value], ...]``, ``["D", ...]`` (a Counter, defaultdict or
OrderedDict), ``["!", type name]`` (anything else). Standard library only: the sandbox's child loads this file by path.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from typing import Any

MAX_DEPTH = 40
MAX_NODES = 200_000
MODES = ("python", "strict")

_PLAIN_INT = 1 << 53
_SEQUENCES: dict[type, str] = {list: "l", tuple: "t", set: "s", frozenset: "fs"}
_MAPPINGS: dict[type, str] = {dict: "d", Counter: "D", defaultdict: "D", OrderedDict: "D"}
_BUILD: dict[str, Any] = {"l": list, "t": tuple, "s": set, "fs": frozenset}


class TreeError(ValueError):
    """A value too deep, too large or cyclic to encode, or a tree that is not one of ours."""


def encode(value: Any) -> Any:
    """Encode a value as a JSON tree.

    Args:
        value: anything; builtins of exact type are kept, every other object becomes ``["!", type name]``.

    Returns:
        A tree of None, bool, int, str and list, at most ``MAX_DEPTH`` deep.

    Raises:
        TreeError: deeper than ``MAX_DEPTH`` levels (so every cyclic value) or more than ``MAX_NODES`` nodes.
    """
    budget = [MAX_NODES]
    return _encode(value, MAX_DEPTH, budget)


def _encode(value: Any, depth: int, budget: list[int]) -> Any:
    kind: Any = type(value)
    budget[0] -= 1
    if depth < 0 or budget[0] < 0:
        raise TreeError(f"the value is deeper than {MAX_DEPTH} levels or has more than {MAX_NODES} parts")
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return value if -_PLAIN_INT < value < _PLAIN_INT else ["i", format(value, "x")]
    if kind is float:
        return ["f", value.hex()]
    if kind in _SEQUENCES:
        return [_SEQUENCES[kind], *[_encode(item, depth - 1, budget) for item in value]]
    if kind in _MAPPINGS:
        pairs = [[_encode(k, depth - 1, budget), _encode(v, depth - 1, budget)] for k, v in kind.items(value)]
        return [_MAPPINGS[kind], *pairs]
    if kind is complex:
        return ["c", value.real.hex(), value.imag.hex()]
    if kind is bytes or kind is bytearray:
        return ["b" if kind is bytes else "ba", value.hex()]
    return ["!", str(kind.__name__)[:80]]


def decode(tree: Any, *, hostile: bool = False) -> Any:
    """Rebuild the value of a tree.

    Args:
        tree: what ``encode`` returned, before or after a JSON round trip.
        hostile: the tree comes from an untrusted process; sets, and dicts with keys that are not text, are refused,
            because numbers can be chosen so that hashing them takes quadratic time.

    Returns:
        The value; a ``D`` tree comes back as a plain dict.

    Raises:
        TreeError: the tree is not one of ours, holds a ``["!", ...]`` node or is too deep.
    """
    try:
        return _decode(tree, MAX_DEPTH, hostile)
    except (TypeError, ValueError, OverflowError, LookupError, RecursionError) as error:
        raise error if isinstance(error, TreeError) else TreeError(f"not an encoded value: {error}") from None


def _decode(tree: Any, depth: int, hostile: bool) -> Any:
    if tree is None or type(tree) in (bool, int, str):
        return tree
    if type(tree) is not list or not tree or depth < 0:
        raise TreeError("not an encoded value")
    tag, *rest = tree
    if hostile and (tag in ("s", "fs") or (tag in ("d", "D") and any(type(pair[0]) is not str for pair in rest))):
        raise TreeError("a set, or a dict with keys that are not text, is not taken from an untrusted process")
    if tag in ("l", "t", "s", "fs"):
        return _BUILD[tag](_decode(item, depth - 1, hostile) for item in rest)
    if tag in ("d", "D"):
        return {_decode(key, depth - 1, hostile): _decode(value, depth - 1, hostile) for key, value in rest}
    if tag == "i":
        return int(rest[0], 16)
    if tag == "f":
        return float.fromhex(rest[0])
    if tag == "c":
        return complex(float.fromhex(rest[0]), float.fromhex(rest[1]))
    if tag in ("b", "ba"):
        return bytes.fromhex(rest[0]) if tag == "b" else bytearray.fromhex(rest[0])
    raise TreeError(f"a value of type {str(rest[0])[:80] if tag == '!' else tag!r} is not plain data")


def canonical(tree: Any, mode: str = "python") -> str:
    """Turn a tree into text that is equal exactly where the values are equal.

    Args:
        tree: an encoded value; may come from a hostile child.
        mode: ``python``: as ``==`` says, so ``1``, ``1.0`` and ``True`` are one value and a Counter equals a dict;
            ``strict``: values of different type differ. In both, -0.0 equals 0.0 and NaN equals NaN.

    Returns:
        The text; sets and dicts are in sorted order, so insertion order does not count.

    Raises:
        TreeError: not one of our trees, or it holds a ``["!", ...]`` node, which equals nothing.
    """
    try:
        return _canonical(tree, mode == "strict", MAX_DEPTH)
    except (TypeError, ValueError, OverflowError, LookupError, RecursionError) as error:
        raise error if isinstance(error, TreeError) else TreeError(f"not an encoded value: {error}") from None


def _canonical(tree: Any, strict: bool, depth: int) -> str:
    if tree is None:
        return "N"
    kind = type(tree)
    if kind is str:
        return repr(tree)
    if kind is bool:
        return str(tree) if strict else f"n{int(tree):x}"
    if kind is int:
        return f"n{tree:x}"
    if kind is not list or not tree or depth < 0:
        raise TreeError("not an encoded value")
    tag, *rest = tree
    if tag in ("l", "t"):
        return f"{tag}({','.join(_canonical(item, strict, depth - 1) for item in rest)})"
    if tag in ("s", "fs"):
        name = tag if strict else "s"
        return f"{name}({','.join(sorted(_canonical(item, strict, depth - 1) for item in rest))})"
    if tag in ("d", "D"):
        pairs = sorted(f"{_canonical(k, strict, depth - 1)}:{_canonical(v, strict, depth - 1)}" for k, v in rest)
        return f"{tag if strict else 'd'}({','.join(pairs)})"
    if tag == "i":
        return f"n{int(rest[0], 16):x}"
    if tag == "f":
        return _canonical_float(float.fromhex(rest[0]), strict)
    if tag == "c":
        real, imag = float.fromhex(rest[0]), float.fromhex(rest[1])
        if imag == 0 and not strict:
            return _canonical_float(real, strict)
        return f"c{(real + 0.0).hex()},{(imag + 0.0).hex()}"
    if tag in ("b", "ba"):
        return f"{tag if strict else 'b'}{bytes.fromhex(rest[0]).hex()}"
    raise TreeError(f"a value of type {str(rest[:1])[:80]} cannot be compared")


def _canonical_float(value: float, strict: bool) -> str:
    if not strict and value == value and value not in (float("inf"), float("-inf")) and value == int(value):
        return f"n{int(value):x}"
    return f"f{(value + 0.0).hex()}"


def same(tree: Any, expected: Any, mode: str = "python", tolerance: float | None = None) -> bool:
    """Say whether a returned tree equals an expected one; never raises.

    Args:
        tree: what a child claims to have returned.
        expected: the expected value's tree.
        mode: ``python`` or ``strict``, see ``canonical``.
        tolerance: largest allowed absolute difference, in the value's own unit; only for two real numbers.

    Returns:
        True where the values are equal under the mode, or within the tolerance.
    """
    try:
        if tolerance is not None:
            found, wanted = decode(tree, hostile=True), decode(expected)
            numbers = type(found) in (int, float, bool) and type(wanted) in (int, float, bool)
            return numbers and abs(float(found) - float(wanted)) <= tolerance
        return canonical(tree, mode) == canonical(expected, mode)
    except (TreeError, OverflowError):
        return False
