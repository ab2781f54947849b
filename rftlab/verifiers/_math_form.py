r"""The form of a mathematical answer: what it is, before anybody asks what it equals.

An answer is read once, by one grammar: a number, words, an expression, a list, a set, a tuple or interval, a matrix, a
ratio, a relation, or an operation on sets. Standard library only: the same reading serves both sides of the sandbox.
"""

import functools
import re
from dataclasses import dataclass
from fractions import Fraction

from rftlab.verifiers._math_text import to_latex
from rftlab.verifiers._math_value import to_values, without_unit

MAX_CHARS = 600
_MAX_DEPTH = 12

_NAME_PART = (
    r"(?:\\frac\{[A-Za-z' ]+\}\{[A-Za-z' ]+\}|\\(?!pm|mp|infty|pi|emptyset|cup|cap|setminus|ldots)[A-Za-z]+|[A-Za-z])"
)
_SUFFIX = r"(?: ?_ ?(?:\{[^{}]*\}|\w)|'|\{[A-Za-z ]*\}| ?\( ?[\w, ]{1,12} ?\))"
_NAME = re.compile(rf"\|?{_NAME_PART}{_SUFFIX}*(?:[ :/]*{_NAME_PART}{_SUFFIX}*){{0,8}}\|?")
_NAMES = re.compile(r"\( ?[A-Za-z](?:_ ?\w)?(?: ?, ?[A-Za-z](?:_ ?\w)?)+ ?\)")
_WORDS_NAME = re.compile(r"(?:\\text\{ ?)?[A-Za-z][A-Za-z ]{2,30}(?:\})?")
_WORD = re.compile(r"\\text\{|(?<![A-Za-z\\])[A-Za-z]{2,}(?![A-Za-z])")
_EMPTY = re.compile(r"\\emptyset|(?:there (?:is|are) )?no (?:real )?solutions?|(?:the )?(?:empty|null) set|none")
_REALS = re.compile(r"(?:all|every|any) real (?:numbers?|values?)|(?:the )?(?:set of )?real numbers|all reals")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?![\d,])|\d{1,3}(?: \d{3})+(?! ?\d)", re.ASCII)
_COMMAND = re.compile(r"\\(?:begin|end)\{[a-z]*\}|\\[A-Za-z]+")
_GREEK = re.compile(
    r"\\(?:alpha|beta|gamma|delta|epsilon|varepsilon|zeta|eta|theta|vartheta|kappa|lambda|mu|nu|xi|rho|sigma|tau|upsilon"
    r"|phi|varphi|chi|psi|omega|ell|Gamma|Delta|Theta|Lambda|Sigma|Phi|Psi|Omega)(?![A-Za-z])"
)
MIRROR = {"<": ">", ">": "<", r"\leq": r"\geq", r"\geq": r"\leq"}
INEQUALITIES = (*MIRROR, r"\neq")
_OPERATORS = re.compile(
    r"\\(leq|geq|neq|approx|in|notin|equiv|to|mapsto|Rightarrow|Leftrightarrow|implies|iff)(?![A-Za-z])|[<>=]"
)
_LISTED = re.compile(r"[;\n]|\\\\|<br ?/?>|\\(?:newline|cr)(?![A-Za-z])", re.I)
_COMMA = re.compile(r",? ?\\text\{ ?,? ?(?:and|or),? ?\}|,? ?(?<![A-Za-z])(?:and|or)(?![a-z])|,", re.I)
_SETS = re.compile(r"\\(cup|cap|setminus)(?![A-Za-z])")
_COLON = re.compile(r":")
_OPEN, _CLOSE = ("(", "[", "{", r"\{", r"\langle"), (")", "]", "}", r"\}", r"\rangle")
_LEFT, _RIGHT = {"(": "(", "[": "[", r"\langle": "("}, {")": ")", "]": "]", r"\rangle": ")"}
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)
_BUILDER = re.compile(r"([A-Za-z])(?: ?\\in ?\\mathbb\{R\})? ?(?:\\mid|\||:)(.+)", re.DOTALL)
_MATRIX = re.compile(r"\\begin\{pmatrix\}((?:(?!\\begin).)*)\\end\{pmatrix\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Leaf:
    """What has no parts: a number, an expression, words.

    Attributes:
        text: plain LaTeX without the unit.
        kind: "number", "expression", "words", or "empty" (the empty set, in signs or words).
        values: what a number can mean: one value, two for a percentage.
        unit: canonical; "" if none is written.
    """

    text: str
    kind: str
    values: tuple[Fraction, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Parts in a row: kind "list", "set", "matrix" (parts are rows), "ratio", or brackets as "()", "[)"."""

    kind: str
    parts: tuple["Form", ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """A chain: ``members[i] operators[i] members[i + 1]``; ``names[i]`` is how member i reads if it is only a name."""

    members: tuple["Form", ...]
    operators: tuple[str, ...]
    name: str


@dataclass(frozen=True, slots=True)
class SetOperation:
    r"""`\cup`, `\cap` and `\setminus`, taken from left to right."""

    parts: tuple["Form", ...]
    operators: tuple[str, ...]


Form = Leaf | Group | Relation | SetOperation


@functools.lru_cache(maxsize=4096)
def read(text: str) -> Form:
    """The form of an answer; of any text, an answer that says nothing included."""
    text = to_latex(text)
    return _read(text, 0) if len(text) <= MAX_CHARS else Leaf(text, "words")


def _read(text: str, depth: int, *, bracketed: bool = False) -> Form:
    text = text.strip().removeprefix("+").strip()
    if depth > _MAX_DEPTH or not text:
        return Leaf(text, "words")
    deeper = depth + 1
    text = text if bracketed else _ungrouped(text)
    for separators in (_LISTED, _COMMA):
        parts, found = _split(text, separators)
        if found:
            return _listed([each for part in parts if part.strip() for each in _signs(part)], found, deeper)
    parts, found = _split(text, _OPERATORS)
    if found and all(part.strip() for part in parts):
        name = _name(parts[0].strip()) if found[0] in ("=", r"\in", r"\approx") else ""
        return Relation(tuple(_read(part, deeper) for part in parts), tuple(found), name)
    signed = _signs(text)
    if len(signed) > 1:
        return Group("list", tuple(_read(part, deeper) for part in signed))
    parts, found = _split(text, _SETS)
    if found and all(part.strip() for part in parts):
        return SetOperation(tuple(_read(part, deeper) for part in parts), tuple(found))
    if matrix := _MATRIX.fullmatch(text):
        rows = [row.split("&") for row in re.split(r"\\\\", matrix[1]) if row.strip()]
        return Group("matrix", tuple(Group("list", tuple(_read(cell, deeper) for cell in row)) for row in rows))
    if (whole := _enclosed(text)) and (group := _bracketed(*whole, deeper)):
        return group
    parts, found = _split(text, _COLON)
    if found and all(part.strip() for part in parts):
        return Group("ratio", tuple(_read(part, deeper) for part in parts))
    return _leaf(text)


def _name(text: str) -> str:
    """The left side of `name = value` as it is compared; "" if it is more than a name."""
    if not any(pattern.fullmatch(text) for pattern in (_NAME, _NAMES, _WORDS_NAME)):
        return ""
    return re.sub(r"\\text\{([^{}]*)\}|[{}\s]", r"\1", text)


def _listed(parts: list[str], separators: list[str], depth: int) -> Form:
    """A list; of inequalities joined by words, where they hold."""
    read_parts = tuple(_read(part, depth) for part in parts)
    if len(parts) < 2:
        return read_parts[0] if parts else Leaf("", "words")
    words = {re.sub("[^a-z]|text", "", separator.casefold()) for separator in separators}
    if words in ({"or"}, {"and"}) and all(
        isinstance(part, Relation) and set(part.operators) & set(INEQUALITIES) for part in read_parts
    ):
        return SetOperation(read_parts, (r"\cup" if words == {"or"} else r"\cap",) * (len(parts) - 1))
    return Group("list", read_parts)


def _bracketed(left: str, inside: str, right: str, depth: int) -> Form | None:
    if not inside.strip():
        return Leaf(r"\emptyset", "empty") if left == r"\{" else Leaf(left + right, "words")
    if left == r"\{" and (built := _BUILDER.fullmatch(inside.strip())):
        return _read(built[2], depth)
    # In brackets a comma separates: `(12,102)` is no number.
    inner = _read(inside, depth, bracketed=True)
    several = isinstance(inner, Group) and inner.kind == "list"
    if (left, right) in (("{", "}"), (r"\{", r"\}")):
        if left == "{" and not several:
            return inner
        return Group("set", inner.parts if several and isinstance(inner, Group) else (inner,))
    if not several:
        return inner if (left, right) in (("(", ")"), ("[", "]")) else None
    brackets = _LEFT.get(left, "?") + _RIGHT.get(right, "?")
    return Group(brackets, inner.parts) if isinstance(inner, Group) and "?" not in brackets else None


def _ungrouped(text: str) -> str:
    """Text in which the only commas, if they are those of one number in thousands, are dropped."""
    found = _GROUPED.search(text)
    if not found or _depths(text[: found.start()])[-1] != 0:
        return text
    rest = text[: found.start()] + "#" + text[found.end() :]
    before = text[: found.start()].rstrip()
    if len(_split(rest, _COMMA)[0]) > 1 or _LISTED.search(rest) or before[-1:].isdigit() or before.endswith((",", ".")):
        return text
    return text[: found.start()] + re.sub("[, ]", "", found[0]) + text[found.end() :]


def _signs(text: str) -> list[str]:
    r"""Both readings of a text with `\pm`; else the text."""
    if not re.search(r"\\(?:pm|mp)(?![A-Za-z])", text):
        return [text]
    return [re.sub(r"\\pm(?![A-Za-z])", one, re.sub(r"\\mp(?![A-Za-z])", other, text)) for one, other in ("+-", "-+")]


def _depths(text: str) -> list[int]:
    """How deep in brackets each character stands, and the end."""
    depths, depth = [], 0
    for token in _TOKEN.findall(text):
        if token in _CLOSE:
            depth -= 1
        depths += [depth] * len(token)
        if token in _OPEN:
            depth += 1
        depth += {r"\begin": 1, r"\end": -1}.get(token, 0)
    return [*depths, depth]


def _split(text: str, separator: re.Pattern[str]) -> tuple[list[str], list[str]]:
    """The pieces between separators that stand in no brackets, and the separators."""
    depths, pieces, found, start = _depths(text), [], [], 0
    for each in separator.finditer(text):
        if depths[each.start()] == 0:
            pieces.append(text[start : each.start()])
            found.append(each[0].strip())
            start = each.end()
    return [*pieces, text[start:]], found


def _enclosed(text: str) -> tuple[str, str, str] | None:
    """Left bracket, what is inside, right bracket, if one pair of them encloses all of the text."""
    tokens = _TOKEN.findall(text)
    left, right = tokens[0], tokens[-1]
    if left not in _OPEN or right not in _CLOSE or len(tokens) < 2:
        return None
    inside = text[len(left) : len(text) - len(right)]
    return (left, inside, right) if min(_depths(inside)) >= 0 and _depths(inside)[-1] == 0 else None


def _leaf(text: str) -> Leaf:
    text = text.strip()
    value = to_values(text)
    if value:
        return Leaf(text, "number", value)
    if _EMPTY.fullmatch(plain(text)):
        return Leaf(r"\emptyset", "empty")
    if _REALS.fullmatch(plain(text)):
        return Leaf(r"\mathbb{R}", "expression")
    body, unit = without_unit(text)
    if unit and (value := to_values(body)):
        return Leaf(body, "number", value, unit)
    if re.fullmatch(r"\\text\{[^{}]*\}", text):
        inner = read(text[6:-1])
        return inner if isinstance(inner, Leaf) else Leaf(text, "words")
    # The degrees of `\cos 60°` belong to the angle, not to the value.
    angle = unit == "°" and re.search(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])", body)
    if unit and not angle and re.search(r"\d|\\", body) and not _WORD.search(body):
        return Leaf(body, "expression", (), unit)
    words = _WORD.search(text) is not None and not re.search(r"[\d+*/^=_\\]", text.replace(r"\text", ""))
    return Leaf(text, "words" if words or not re.search(r"\w", text) else "expression")


def plain(text: str) -> str:
    r"""Text without text commands, white space that separates nothing, quotes and case: what words are compared by."""
    text = re.sub(r"\\text\{([^{}]*)\}", r"\1", text).replace('"', "").casefold()
    return re.sub(r" (?=\W)|(?<=[^\w}]) ", "", " ".join(text.split()))


def letters(text: str) -> set[str]:
    """Letters that stand for something in LaTeX text: single ones and Greek ones."""
    return set(re.findall("[A-Za-z]", _COMMAND.sub(" ", text))) | set(_GREEK.findall(text))


def variables(form: Form) -> set[str]:
    """Letters of what a form of sets says something about: those of its inequalities."""
    if isinstance(form, Relation) and r"\in" not in form.operators:
        members = (re.sub(r"([A-Za-z])\([A-Za-z]\)", r"\1", latex(member)) for member in form.members)
        return {letter for member in members for letter in letters(member)} - {"e"}
    parts = form.parts if isinstance(form, SetOperation) else ()
    return {letter for part in parts for letter in variables(part)}


def latex(form: Form) -> str:
    """LaTeX of a leaf or a matrix of leaves, for the library's parser; "" of anything else."""
    if isinstance(form, Leaf):
        return form.text
    if isinstance(form, Group) and form.kind == "matrix":
        rows = (" & ".join(map(latex, row.parts)) for row in form.parts if isinstance(row, Group))
        return r"\begin{pmatrix}" + r" \\ ".join(rows) + r"\end{pmatrix}"
    return ""
