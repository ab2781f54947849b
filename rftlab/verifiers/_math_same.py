r"""What equality means between two forms of an answer: like is compared with like.

Numbers, words, and lists, tuples, intervals and matrices of them are decided here. What two *expressions* are, and
whether two sets of numbers are the same, is algebra: a caller that has sympy decides it (`Algebra`), one that has not
learns that it must ask (`NeedsAlgebra`). Standard library only.
"""

import re
from collections.abc import Callable, Sequence
from typing import Protocol

from rftlab.verifiers._math_form import (
    INEQUALITIES,
    MIRROR,
    Form,
    Group,
    Leaf,
    Relation,
    SetOperation,
    latex,
    letters,
    plain,
    read,
)

_HEDGES = re.compile(r"\\(?:max|min|mod|bmod|pmod|lor|land|vee|wedge)(?![A-Za-z])")


# Decimals of fewer places are another number, not the same one rounded.
MIN_PLACES = 6


class NeedsAlgebra(Exception):
    """The two can be compared only by algebra."""


class Algebra(Protocol):
    """What decides beyond plain numbers."""

    def equal(self, gold: str, answer: str) -> bool:
        """Whether two expressions in LaTeX have the same value."""
        ...

    def rounds(self, gold: str, decimal: str) -> bool:
        """Whether an expression, rounded to the places of a decimal, is that decimal."""
        ...

    def same_relation(self, gold: Relation, answer: Relation) -> bool:
        """Whether two relations hold for the same values."""
        ...

    def same_set(self, gold: Form, answer: Form) -> bool:
        """Whether two forms are the same set of numbers."""
        ...


class NoAlgebra:
    """Asks for algebra whenever it would be needed."""

    def _ask(self, *_: object) -> bool:
        raise NeedsAlgebra

    equal = rounds = same_relation = same_set = _ask


def same(gold: Form, answer: Form, algebra: Algebra) -> bool:
    """Whether an answer is the gold answer.

    Raises:
        NeedsAlgebra: from ``algebra``, where it cannot decide.
    """
    gold, answer = _single(gold), _single(answer)
    if gold == answer:
        return not isinstance(gold, Leaf) or bool(re.search(r"\w", gold.text)) or not gold.text
    if isinstance(gold, Relation) or isinstance(answer, Relation):
        return _same_with_relation(gold, answer, algebra)
    if any(isinstance(each, SetOperation) or _is_reals(each) for each in (gold, answer)):
        return _could_be_set(gold) and _could_be_set(answer) and algebra.same_set(gold, answer)
    if isinstance(gold, Leaf) and isinstance(answer, Leaf):
        return _same_leaf(gold, answer, algebra)
    if isinstance(gold, Group) and isinstance(answer, Group):
        return _same_group(gold, answer, algebra)
    return _same_mixed(gold, answer, algebra)


def _single(form: Form) -> Form:
    return form.parts[0] if isinstance(form, Group) and form.kind == "set" and len(form.parts) == 1 else form


def _same_leaf(gold: Leaf, answer: Leaf, algebra: Algebra) -> bool:
    if not _agree(gold.unit, answer.unit):
        return False
    if gold.kind == answer.kind == "number":
        if len(gold.values) != len(answer.values) and (gold.unit or answer.unit):
            return False  # per cent is a unit too, and another one
        return _same_value(gold, answer) or _is_rounding(gold, answer) or _is_rounding(answer, gold)
    if "empty" in (gold.kind, answer.kind):
        return gold.kind == answer.kind
    alike = plain(gold.text) == plain(answer.text)
    if alike and ("words" in (gold.kind, answer.kind) or re.fullmatch("[A-Za-z]", gold.text)):
        return bool(re.search(r"\w", plain(gold.text)))
    if "words" in (gold.kind, answer.kind):
        # `ab` may be a word or a product, and `abc` beside an expression.
        longest = 2 if gold.kind == answer.kind else 3
        short = all(
            leaf.kind == "expression" or re.fullmatch(rf"[a-z]{{2,{longest}}}", leaf.text) for leaf in (gold, answer)
        )
        return short and says_no_more(gold.text, answer.text) and algebra.equal(gold.text, answer.text)
    return says_no_more(gold.text, answer.text) and algebra.equal(gold.text, answer.text)


def _same_value(gold: Leaf, answer: Leaf) -> bool:
    """Whether two numbers are equal; a percentage and a number without its sign in either reading of the sign."""
    if len(gold.values) == len(answer.values):
        return gold.values[0] == answer.values[0]
    return not set(gold.values).isdisjoint(answer.values)


def _is_rounding(exact: Leaf, decimal: Leaf) -> bool:
    """Whether a decimal of six places or more is a fraction, which no decimal equals, rounded to its places."""
    places = len(decimal.text.partition(".")[2])
    if places < MIN_PLACES or not re.fullmatch(r"-?\d*\.\d+", decimal.text) or not re.search(r"[/c]", exact.text):
        return False
    return abs(exact.values[0] - decimal.values[0]) * 2 * 10**places <= 1


def _agree(gold: str, answer: str) -> bool:
    """Units: either may be left out, but not what may be a variable of the gold answer."""
    return gold.rstrip("?") == answer.rstrip("?") if gold and answer else not gold.endswith("?")


def says_no_more(gold: str, answer: str) -> bool:
    r"""Whether an answer has no letter that the gold answer has not, and hedges no more than that does.

    A word is a product of letters to a LaTeX parser, and a product with zero hides it; `\max(3, 7)` is two guesses.
    """
    return letters(answer) <= letters(gold) | {"e", "i"} and set(_HEDGES.findall(answer)) <= set(_HEDGES.findall(gold))


def _same_group(gold: Group, answer: Group, algebra: Algebra) -> bool:
    unordered = ("list", "set")
    if gold.kind in unordered and answer.kind in unordered:
        named = _names(gold)
        if len(set(named)) > 1 and not any(_names(answer)):
            return _in_order(gold.parts, answer.parts, algebra)
        return _matched(gold.parts, answer.parts, algebra)
    if gold.kind == answer.kind == "matrix":
        rows = [[row.parts for row in each.parts if isinstance(row, Group)] for each in (gold, answer)]
        return len(rows[0]) == len(rows[1]) and all(_in_order(g, a, algebra) for g, a in zip(*rows, strict=True))
    if "matrix" in (gold.kind, answer.kind):
        one, other = (_vector(each) if each.kind == "matrix" else each.parts for each in (gold, answer))
        written = {gold.kind, answer.kind} <= {"matrix", "()", "[]", "list"}
        return written and bool(one and other) and _in_order(one, other, algebra)
    if "ratio" in (gold.kind, answer.kind):
        return gold.kind == answer.kind and _in_order(gold.parts, answer.parts, algebra)
    kinds = (gold.kind, answer.kind)
    if gold.kind == answer.kind or kinds in (("()", "list"), ("list", "()")):
        return _in_order(gold.parts, answer.parts, algebra)
    return kinds == ("list", "[]") and len(gold.parts) > 2 and _matched(gold.parts, answer.parts, algebra)


def _same_mixed(gold: Form, answer: Form, algebra: Algebra) -> bool:
    """A group and a leaf: a ratio is also its quotient, and a matrix may be written as an expression."""
    group, leaf = (gold, answer) if isinstance(gold, Group) else (answer, gold)
    if not isinstance(group, Group) or not isinstance(leaf, Leaf):
        return False
    if group.kind == "ratio" and len(group.parts) == 2 and leaf.kind != "words" and all(map(latex, group.parts)):
        quotient = read(rf"\frac{{{latex(group.parts[0])}}}{{{latex(group.parts[1])}}}")
        one, other = (quotient, leaf) if group is gold else (leaf, quotient)
        return isinstance(one, Leaf) and isinstance(other, Leaf) and _same_leaf(one, other, algebra)
    if group.kind == "matrix" and leaf.kind == "expression" and "matrix" in leaf.text:
        text = latex(group)
        return algebra.equal(text, leaf.text) if group is gold else algebra.equal(leaf.text, text)
    return False


def _same_with_relation(gold: Form, answer: Form, algebra: Algebra) -> bool:
    if isinstance(gold, Relation) and isinstance(answer, Relation):
        if gold.name and gold.name == answer.name:
            return any(_claims(answer, value, algebra) for value in _values(gold))
        if len(gold.members) == len(answer.members):
            mirrored = tuple(MIRROR.get(op, op) for op in reversed(gold.operators))
            for operators, members in ((gold.operators, gold.members), (mirrored, gold.members[::-1])):
                if operators == answer.operators and all(
                    _known(g, a) for g, a in zip(members, answer.members, strict=True)
                ):
                    return True
        sides = [" ".join(map(latex, relation.members)) for relation in (gold, answer)]
        named = well_formed(gold) and well_formed(answer) and says_no_more(*sides)
        return (named or r"\in" in answer.operators + gold.operators) and algebra.same_relation(gold, answer)
    if isinstance(answer, Relation):
        if set(answer.operators) & set(INEQUALITIES):
            a_set = _could_be_set(gold) and (not isinstance(gold, Leaf) or _is_reals(gold))
            return a_set and well_formed(answer) and algebra.same_set(gold, answer)
        return _claims(answer, gold, algebra)
    assert isinstance(gold, Relation)
    if set(gold.operators) & set(INEQUALITIES):
        return (
            _could_be_set(answer)
            and (not isinstance(answer, Leaf) or _is_reals(answer))
            and algebra.same_set(gold, answer)
        )
    return bool(gold.name) and any(same(value, answer, algebra) for value in _values(gold))


def _known(gold: Form, answer: Form) -> bool:
    try:
        return same(gold, answer, NoAlgebra())
    except NeedsAlgebra:
        return False


def _values(relation: Relation) -> list[Form]:
    r"""What a gold answer `name = value` gives: its last value; of `2\sqrt3 \approx 3.46` both."""
    if relation.operators[-1] == r"\approx":
        return list(relation.members[-2:] if len(relation.members) > 2 else relation.members[-1:])
    return [relation.members[-1]]


def _claims(answer: Relation, value: Form, algebra: Algebra) -> bool:
    r"""Whether an answer `name = a = b \approx c` says the value, and nothing else, in each of its members."""
    if not set(answer.operators) <= {"=", r"\in", r"\approx"}:
        return False
    members = list(zip(("=", *answer.operators), answer.members, strict=True))[1 if answer.name else 0 :]
    exact = [member for operator, member in members if operator != r"\approx"]
    if not exact:
        return len(members) == 1 and same(value, members[0][1], algebra)
    if all(same(value, member, algebra) for member in exact):
        return all(_rounded(value, member, algebra) for operator, member in members if operator == r"\approx")
    return False


def _rounded(value: Form, decimal: Form, algebra: Algebra) -> bool:
    if not (isinstance(value, Leaf) and isinstance(decimal, Leaf) and decimal.kind == "number"):
        return False
    if value.kind == "number":
        places = len(decimal.text.partition(".")[2])
        return abs(value.values[0] - decimal.values[0]) * 2 * 10**places <= 1
    return value.kind == "expression" and algebra.rounds(value.text, decimal.text)


def _names(group: Group) -> list[str]:
    return [part.name for part in group.parts if isinstance(part, Relation)]


def _in_order(gold: Sequence[Form], answer: Sequence[Form], algebra: Algebra) -> bool:
    return len(gold) == len(answer) and all(same(g, a, algebra) for g, a in zip(gold, answer, strict=True))


def _matched(gold: Sequence[Form], answer: Sequence[Form], algebra: Algebra) -> bool:
    """Whether the parts can be paired, each with its own; as many on both sides."""
    if len(gold) != len(answer):
        return False
    rest = list(answer)
    for part in gold:
        index = _first(lambda each, part=part: same(part, each, algebra), rest)  # type: ignore[misc]
        if index is None:
            return False
        del rest[index]
    return True


def _first(true: Callable[[Form], bool], forms: Sequence[Form]) -> int | None:
    """Index of the first form of which it is true; algebra is asked for only where nothing else matched."""
    asked: NeedsAlgebra | None = None
    for index, form in enumerate(forms):
        try:
            if true(form):
                return index
        except NeedsAlgebra as needs:
            asked = needs
    if asked is not None:
        raise asked
    return None


def _vector(matrix: Group) -> tuple[Form, ...]:
    rows = [row.parts for row in matrix.parts if isinstance(row, Group)]
    if len(rows) == 1:
        return rows[0]
    return tuple(row[0] for row in rows) if all(len(row) == 1 for row in rows) else ()


def well_formed(relation: Relation) -> bool:
    """Whether a relation is `name in a set`, has two sides, or bounds one expression by numbers on both sides."""
    if relation.operators == (r"\in",):
        return _could_be_set(relation.members[1])
    if len(relation.members) != 3:
        return len(relation.members) == 2
    first, second = relation.operators
    ends = (relation.members[0], relation.members[2])
    one_way = {first, second} <= {"<", r"\leq"} or {first, second} <= {">", r"\geq"}
    return one_way and not any(letters(latex(end)) for end in ends) and bool(letters(latex(relation.members[1])))


def _is_reals(form: Form) -> bool:
    return isinstance(form, Leaf) and form.text.startswith(r"\mathbb")


def _could_be_set(form: Form) -> bool:
    if isinstance(form, Group):
        return form.kind == "set" or (len(form.parts) == 2 and form.kind in ("()", "[]", "(]", "[)"))
    if isinstance(form, SetOperation):
        return all(map(_could_be_set, form.parts))
    if isinstance(form, Relation):
        return well_formed(form)
    return not isinstance(form, Leaf) or form.kind == "empty" or _is_reals(form)
