r"""What people's models write around an answer, taken off: it sets or announces the answer and says nothing else.

Markdown emphasis, headings and code fences, `\boxed{}` and text commands, `$ $` and `\( \)`, "The answer is",
"Therefore,", full-width letters, characters of no width. What is left is judged as if it had been written plainly.
"""

import re
import unicodedata

_MOST_LAYERS = 12
_MOST_BOXED = 400
_FENCED = re.compile(r"(`{3,}|~{3,})[ \t]*[\w+-]{0,20}[ \t]*\n(.*?)\n?[ \t]*\1", re.DOTALL)
_COMMAND = re.compile(r"\\(?:f?boxed|text(?:bf|it|rm|sf|tt|normal)?|math(?:rm|bf|it|sf)|mbox)\s{0,3}\{")
_ANSWER = (
    r"(?:(?:so|thus|hence|therefore),? )?(?:the |my |our )?(?:final |correct |right )?"
    r"(?:answer|ans|antwort|solution|result|total|sum|value)(?: to (?:the|this) (?:question|problem))?"
)
_ANNOUNCED = re.compile(
    rf"{_ANSWER}(?: is|:| =|[ \t]{{0,3}}\n)[:\s]{{0,3}}(.+)"
    r"|(?:it is|it's|that is|there are|there is) (.+)"
    r"|(?:so|thus|hence|therefore|finally|in conclusion),? (.+)"
    r"|#{1,6}[ \t]{1,3}(.+)",
    re.IGNORECASE | re.DOTALL,
)
_MARKED = re.compile(rf"([*_]{{1,3}}){_ANSWER}(?: is)?:?\1(?: is)?[:\s]{{0,3}}(.+)", re.IGNORECASE | re.DOTALL)
_PAIRS = (
    ("$$", "$$"),
    ("$", "$"),
    (r"\(", r"\)"),
    (r"\[", r"\]"),
    ("**", "**"),
    ("__", "__"),
    ("*", "*"),
    ("_", "_"),
    ("`", "`"),
)
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


def unwrap(text: str) -> str:
    r"""The text without what only wraps it, stripped; of its own result the same.

    Args:
        text: an extracted answer, of any length; anything goes.

    >>> unwrap("The answer is **\\boxed{42}**")
    '42'
    """
    text = "".join(each for each in text if unicodedata.category(each) != "Cf").translate(_FULL_WIDTH).strip()
    for _ in range(_MOST_LAYERS):
        inner = _inner(text)
        if inner == text:
            break
        text = inner
    return text


def boxed(text: str) -> list[str]:
    r"""What stands in each `\boxed{...}` that holds no other box, at most 400 characters long.

    >>> boxed("so \\boxed{\\frac{1}{2}}, not \\boxed{2}")
    ['\\frac{1}{2}', '2']
    """
    contents = []
    for found in re.finditer(r"\\boxed\s{0,3}\{", text):
        start = found.end()
        end = _closing(text[: start + _MOST_BOXED], start)
        if end > start and r"\boxed" not in text[start:end]:
            contents.append(text[start:end])
    return contents


def _inner(text: str) -> str:
    """The text without its outermost wrapper."""
    if found := _FENCED.fullmatch(text):
        return found[2].strip()
    if found := _MARKED.fullmatch(text) or _ANNOUNCED.fullmatch(text):
        return next(filter(None, reversed(found.groups()))).strip()
    for whole in (text, text.removesuffix(".")):  # a full stop behind a wrapper ends what is wrapped
        for left, right in _PAIRS:
            inside = whole[len(left) : -len(right)]
            if whole.startswith(left) and whole.endswith(right) and inside.strip() and left not in inside:
                return inside.strip()
        if (found := _COMMAND.match(whole)) and _closing(whole, found.end()) == len(whole) - 1:
            return whole[found.end() : -1].strip()
    return text


def _closing(text: str, start: int) -> int:
    """Where the brace that opened just before ``start`` closes; -1 if it does not."""
    depth = 1
    for brace in re.finditer(r"(?<!\\)[{}]", text[start:]):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return start + brace.start()
    return -1
