"""Inputs for hidden tests, and a likely bug, for each function of `code_solutions`.

Expected values come from calling the functions, and a bug is one replacement in the source: nothing is evaluated here.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

from rftlab.tasks import code_solutions as of


class Classic(NamedTuple):
    """One function to write or repair.

    Attributes:
        function: the reference solution; its docstring is the description.
        inputs: argument lists for hidden tests, at least five.
        bug: (old, new): one replacement in the source that breaks it.
        shown: arguments on which the broken function is wrong; not among the inputs.
    """

    function: Callable[..., Any]
    inputs: tuple[tuple[Any, ...], ...]
    bug: tuple[str, str]
    shown: tuple[Any, ...]

    @property
    def name(self) -> str:
        """Name of the function."""
        return self.function.__name__

    @property
    def description(self) -> str:
        """What the function does, in words."""
        return " ".join((inspect.getdoc(self.function) or "").split())

    @property
    def signature(self) -> str:
        """Name and parameters, e.g. `gcd(a, b)`."""
        return f"{self.name}({', '.join(inspect.signature(self.function).parameters)})"

    @property
    def source(self) -> str:
        """Source without docstring and annotations."""
        tree = ast.parse(textwrap.dedent(inspect.getsource(self.function)))
        function = tree.body[0]
        assert isinstance(function, ast.FunctionDef)
        function.body = function.body[1:]
        function.returns = None
        for argument in function.args.args:
            argument.annotation = None
        return ast.unparse(tree)

    @property
    def broken(self) -> str:
        """Source with the bug in it."""
        old, new = self.bug
        return self.source.replace(old, new, 1)


def _one(*values: Any) -> tuple[tuple[Any, ...], ...]:
    return tuple((value,) for value in values)


CLASSICS: tuple[Classic, ...] = (
    Classic(of.fizz, _one(1, 3, 10, 15, 22, 99), ("% 15", "% 45"), (30,)),
    Classic(of.factorial, _one(0, 1, 3, 5, 8), ("n + 1", "n"), (4,)),
    Classic(of.fibonacci, _one(0, 1, 2, 7, 12, 20), ("(b, a + b)", "(b, a + b + 1)"), (5,)),
    Classic(of.gcd, ((12, 8), (7, 5), (9, 9), (100, 75), (1, 6), (84, 36)), ("return a", "return a + b + 1"), (6, 4)),
    Classic(of.is_prime, _one(1, 2, 9, 13, 25, 29, 91, 97), (") + 1)", "))"), (49,)),
    Classic(of.digit_sum, _one(0, 7, 45, -123, 9999), ("abs(n)", "abs(n) // 10"), (36,)),
    Classic(of.reverse_words, _one("a b c", "one", "", "red  green blue", "to be or not"), ("' '", "''"), ("x y",)),
    Classic(
        of.is_palindrome, _one("Anna", "abc", "", "No lemon, no melon", "12 21", "ab ba c"),
        (".lower()", ""), ("Otto",),
    ),
    Classic(of.count_vowels, _one("hello", "XYZ", "", "Audio", "queue", "Straight on"), ("'aeiou'", "'aeio'"), ("up",)),
    Classic(
        of.second_largest, _one([1, 2, 3], [5, 5, 4], [7], [], [-1, -5, -3], [2, 2]),
        ("set(numbers)", "numbers"), ([9, 9, 1],),
    ),
    Classic(
        of.flatten, _one([[1], [2, 3]], [], [[], [4]], [[1, 2], [3], [4, 5]], [["a"], ["b"]]),
        ("for item in inner]", "for item in inner[:1]]"), ([[6, 7]],),
    ),
    Classic(
        of.chunks, (([1, 2, 3, 4, 5], 2), ([], 3), ([1], 4), ([1, 2, 3, 4], 2), ([9, 8, 7], 1)),
        ("0, len", "size, len"), ([1, 2, 3], 3),
    ),
    Classic(
        of.unique, _one([1, 2, 1], [], ["b", "a", "b"], [3, 3, 3], [5, 4, 5, 6]),
        ("if item not in kept", "if item not in kept[-1:]"), ([7, 8, 7],),
    ),
    Classic(
        of.most_common, _one([1, 2, 2], ["a"], [3, 1, 3, 1], [5, 6, 6, 5, 6], ["x", "y", "y"]),
        ("max", "min"), ([4, 4, 9],),
    ),
    Classic(of.running_sum, _one([1, 2, 3], [], [5], [-1, 1, 4], [2, 2, 2, 2]), ("+=", "="), ([3, 4],)),
    Classic(
        of.two_sum, (([2, 7, 11], 9), ([1, 2], 5), ([3, 3], 6), ([1, 4, 5, 6], 10), ([0, 5, -5], 0)),
        ("i + 1", "i"), ([4, 1, 7], 8),
    ),
    Classic(
        of.merge_sorted, (([1, 3], [2]), ([], []), ([5], [1, 9]), ([1, 1], [1]), ([0, 4], [2, 6])),
        ("sorted(left + right)", "left + right"), ([2, 8], [3]),
    ),
    Classic(
        of.binary_search, (([1, 3, 5], 3), ([], 1), ([2, 4, 6, 8], 8), ([1], 1), ([1, 2, 3], 9)),
        ("low <= high", "low < high"), ([4, 7], 7),
    ),
    Classic(of.to_binary, _one(0, 1, 2, 10, 255, 64), ("'b'", "'o'"), (5,)),
    Classic(of.from_roman, _one("III", "IV", "IX", "XLII", "MCMXCIV", "DC"), ("> value", "> value * 5"), ("XIV",)),
    Classic(
        of.caesar, (("abc", 1), ("xyz", 3), ("a-b", 2), ("hello", 0), ("dog", 26), ("cat", -1)),
        ("% 26", "% 25"), ("zoo", 1),
    ),
    Classic(
        of.is_anagram, (("Listen", "Silent"), ("abc", "abd"), ("a b", "ba"), ("", ""), ("aab", "abb")),
        ("sorted(second.lower()", "sorted(second"), ("act", "Cat"),
    ),
    Classic(of.run_lengths, _one("aab", "", "abc", "zzzz", "aabbaa"), ("+= 1", "+= 2"), ("ddd",)),
    Classic(
        of.transpose, _one([[1, 2], [3, 4]], [[1]], [[1, 2, 3]], [[1], [2]], [["a", "b"], ["c", "d"]]),
        ("list(column)", "list(column)[::-1]"), ([[5, 6], [7, 8]],),
    ),
    Classic(
        of.balanced, _one("()", "([])", "(]", "((", "a(b)c[d]", "][", ""),
        ("return not stack", "return True"), ("(()",),
    ),
    Classic(of.collatz, _one(1, 2, 3, 6, 7, 27), ("steps = 0", "steps = 1"), (9,)),
    Classic(of.divisors, _one(1, 6, 7, 12, 25, 28), ("n + 1", "n"), (10,)),
    Classic(of.leap_year, _one(2000, 1900, 2024, 2023, 2400, 2100), ("% 400 == 0", "% 400 != 0"), (1600,)),
    Classic(
        of.rotate, (([1, 2, 3], 1), ([], 2), ([1, 2, 3, 4], 6), ([5], 3), ([1, 2, 3], 0)),
        ("items[len(items) - k:] + items[:len(items) - k]", "items[k:] + items[:k]"), ([1, 2, 3, 4], 1),
    ),
    Classic(
        of.title, _one("hello world", "A", "pYTHON code", "", "one two three"),
        (".capitalize()", ".upper()"), ("my cat",),
    ),
    Classic(
        of.common, (([1, 2, 2], [2, 3]), ([], [1]), ([3, 1, 2], [1, 3]), ([5], [5]), ([1], [2])),
        ("&", "|"), ([4, 5], [5, 6]),
    ),
    Classic(
        of.median, _one([1, 2, 3], [4, 1], [7], [3, 1, 2, 10], [5, 5, 1]),
        ("sorted(numbers)", "numbers"), ([9, 1, 5],),
    ),
    Classic(
        of.longest_word, _one("a bb c", "", "same size", "the quick brownish fox", "one"),
        ("max", "min"), ("to three",),
    ),
    Classic(
        of.count_words, _one("a b a", "", "One one ONE", "x", "to be or not to be"),
        (", 0) + 1", ", 1) + 1"), ("hi you hi",),
    ),
    Classic(
        of.power, ((2, 10, 1000), (3, 0, 7), (5, 3, 13), (10, 5, 9), (7, 2, 50)),
        ("modulus)", "modulus + 1)"), (4, 3, 10),
    ),
    Classic(of.clamp, ((5, 1, 10), (-3, 0, 9), (20, 0, 9), (4, 4, 4), (7, 7, 9)), ("max(low", "min(low"), (6, 2, 8)),
    Classic(
        of.longest_run, _one([1, 2, 3], [], [3, 2, 1], [1, 2, 1, 2, 3], [4, 4, 4]),
        ("number > ", "number >= "), ([5, 5],),
    ),
    Classic(
        of.best_sum, _one([1, -2, 3], [-1, -2], [4], [2, -1, 2], [-3, 5, -1, 4, -9]),
        ("max(number, current", "max(0, current"), ([-2, 3],),
    ),
    Classic(of.pascal, _one(0, 1, 2, 4, 6), ("a + b", "a * b"), (3,)),
    Classic(of.change, _one(0, 1, 30, 41, 99), (">= coin", "> coin"), (10,)),
)  # fmt: skip
