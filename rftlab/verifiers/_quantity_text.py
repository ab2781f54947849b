r"""A quantity as plain text: the typography that people's models write, taken off or made one.

Beside what `wrappers` takes off any answer: LaTeX inside a sentence or a unit (`9.81\,\mathrm{m/s^2}`, `-7^\circ$C`),
spacing, raised digits of a power of ten, signs that look alike. Every repetition is bounded: linear on any text.
"""

import re
import unicodedata

from rftlab.verifiers.wrappers import unwrap

_SIGNS = dict.fromkeys("−‐‑‒–—﹣", "-") | {
    r"\%": "%", r"\times": "×", r"\cdot": "·", r"\div": "÷", r"\Omega": "Ω", r"\mu": "µ", r"\left": "", r"\right": "",
    "⋅": "·", "∙": "·", "∗": "*", "⁄": "/", "∕": "/",
}  # fmt: skip
_REWRITTEN = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        # Inline mathematics; before an amount the second sign is a currency.
        (r"(?<!\\)\$((?:[^$\\\n]|\\.){0,118}[^$\s\\=+*/×÷-])\$(?!\d)", r"\1"),
        (r"\\[()\[\]]|\\!", ""),
        (r"\\\$", "$"),
        (r"\\(?:SI|qty)\{([^{}]{1,60})\}\{([^{}]{1,60})\}", r"\1 \2"),
        (r"\^ ?\{? ?\\(?:circ|degree)(?![a-z]) ?\}?|\\degree(?![A-Za-z])", "°"),
        (r"\^ ?\{ ?([+-]?\d{1,3}) ?\}", r"^\1"),
        (r"(?<=\d)(?:\\[,;: ]|~|\{,\})(?=\d{3})", ","),
        (r"\\(?:text|textbf|mathrm|mathbf|operatorname|mbox|rm|unit|si)\{([^{}]{0,60})\}", r" \1 "),
        (r"\\[,;: ]|\\q?quad(?![a-z])|(?<=[\d}])~(?=[A-Za-z\\])", " "),
        (r" {1,3}\^ ?(?=-?\d)", "^"),
        (r"(?<=\d) ?(?=\\[dtc]?frac)", " "),
        (r"\\[dtc]?frac(\d)(\d)", r"\1/\2"),
        (r"\\[dtc]?frac\{ {0,3}(-?[\w.^]{1,40}) {0,3}\}\{ {0,3}([\w.^]{1,40}) {0,3}\}", r"\1/\2"),
        (r"\\[dtc]?frac\{([^{}]{1,60})\}\{([^{}]{1,60})\}", r"(\1)/(\2)"),
        (r"\\f?boxed\{([^{}]{1,200})\}", r"\1"),
        (r"(\*\*|__)([^*_\n]{1,200})\1", r"\2"),
        (r"(?<![\w*`])([*_`])([^\s*_`](?:[^*_`\n]{0,80}[^\s*_`])?)\1(?![\w*`])", r"\2"),
        (r"(?<=\d) ?° ?(?=[CF](?![A-Za-z]))", " °"),
    )
)  # fmt: skip
_RAISED = re.compile(r"(?<=10)[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3}")


def to_plain(text: str) -> str:
    r"""Plain text of an answer, in one line, without what only wraps, announces or ends it.

    Args:
        text: an answer of at most a few hundred characters; anything goes.

    >>> to_plain(r"The answer is $9.81\,\mathrm{m/s^{2}}$.")
    '9.81 m/s^2'
    """
    for sign, plain in _SIGNS.items():
        text = text.replace(sign, plain)
    text = unwrap(text).rstrip(".!?:;").strip()
    for pattern, new in _REWRITTEN:
        text = pattern.sub(new, text)
    text = _RAISED.sub(lambda found: f"^{unicodedata.normalize('NFKC', found[0]).replace('−', '-')}", text)
    text = "".join(f" {unicodedata.normalize('NFKC', each)}" if _is_fraction(each) else each for each in text)
    return " ".join(unwrap(text).replace("⁄", "/").split())


def _is_fraction(character: str) -> bool:
    return unicodedata.decomposition(character).startswith("<fraction>")
