r"""A mathematical answer as plain LaTeX: the typography that people's models write, taken off or made one.

Beside what `wrappers` takes off any answer: boxes and delimiters inside a sentence, text commands, spacing, Unicode
signs and raised digits, `\frac34`, `sqrt(2)`.
Nothing here decides what an answer means; a sign that means something (a comma, `;`, a currency) stays.
"""

import re
import unicodedata

from rftlab.verifiers.wrappers import unwrap

_SIGNS = dict.fromkeys("‐‑‒–—−﹣－", "-") | {
    "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ", "÷": "/", "⁄": "/", "∕": "/", "±": r"\pm ",
    "∓": r"\mp ", "≤": r"\leq ", "≥": r"\geq ", "≠": r"\neq ", "≈": r"\approx ", "∪": r"\cup ", "∩": r"\cap ",
    "∖": r"\setminus ", "∈": r"\in ", "∅": r"\emptyset ", "Ø": r"\emptyset ", "∞": r"\infty ", "√": r"\sqrt ",
    "π": r"\pi ", "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "λ": r"\lambda ", "µ": r"\mu ",
    "μ": r"\mu ", "φ": r"\phi ", "ω": r"\omega ", "σ": r"\sigma ", "ρ": r"\rho ", "ℝ": r"\mathbb{R}",
    "ℤ": r"\mathbb{Z}", "⟨": r"\langle ", "⟩": r"\rangle ", "∠": r"\angle ", "…": r"\ldots ", "′": "'", "º": "°",
    "、": ",", "“": '"', "”": '"',
}  # fmt: skip
_RAISED = {"<super": "^", "<sub": "_"}

_BOX = re.compile(r"\\f?boxed\s*\{")

# What TeX sets differently and means alike. Read from top to bottom.
_REWRITTEN = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        (r"(?<!\\)\\!\s*|\\(?:displaystyle|textstyle|limits|nolimits)(?![A-Za-z])", ""),
        (r"\{,\}\s*", ","),
        (r"^\s*~+(?=\s*[-+\\$.\d])", r"\\approx "),
        (r"(?<=\d)(?:\\[,;: ]|~)(?=\d{3}(?!\d))", ","),
        (r"\\(?:left|right|[bB]igg?[lr]?|mleft|mright)(?![A-Za-z])\.?", ""),
        (r"\\(?:quad|qquad|enspace|thinspace)(?![A-Za-z])|(?<!\\)\\[,:;> ]|~", " "),
        (r"\\quad(?=[A-Za-z])", " "),
        (r"\\\\(?=[A-Za-z]{2})", r"\\"),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\(?:lbrace|\{)(?![A-Za-z])", r"\\{"),
        (r"\\(?:rbrace|\})(?![A-Za-z])", r"\\}"),
        (r"\\(?:math(?:rm|bf|it|sf|normal)|text(?:bf|it|rm|sf|tt|normal)|mbox|hbox|rm|bf)\s*\{", r"\\text{"),
        (r"\\text\s*\{", r"\\text{"),
        (r"\\text\{\s*\}", ""),
        # A letter on its own is a variable, but after a number it may be a unit.
        (r"(?<![\d}] )(?<![\d}])\\text\{(\s*[A-Za-z]\s*)\}|\\text\{(\s*[ei]\s*)\}", r"\1\2"),
        (r"\\text\{(\s*-?[\d.,]+\s*)\}", r"\1"),
        (r"\\operatorname\*?\{([a-z]+)\}", r"\\\1"),
        (r"\^\s*\{?\s*\\(?:circ|degree)\s*\}?|\\degree(?![A-Za-z])", "°"),
        (r"\\lt(?![A-Za-z])", "<"),
        (r"\\gt(?![A-Za-z])", ">"),
        (r"\\(?:leq?|leqslant|leqq)(?![A-Za-z])|<=|=<", r"\\leq "),
        (r"\\(?:geq?|geqslant|geqq)(?![A-Za-z])|>=", r"\\geq "),
        (r"\\(?:ne|neq|not\s*=)(?![A-Za-z])|!=", r"\\neq "),
        (r"\\(?:approx|simeq)(?![A-Za-z])|~=", r"\\approx "),
        (r"==", "="),
        (r"\\(?:varnothing|O)(?![A-Za-z])", r"\\emptyset "),
        (r"\\(?:backslash|smallsetminus)(?![A-Za-z])", r"\\setminus "),
        (r"\\(?:R|reals|Reals)(?![A-Za-z])", r"\\mathbb{R}"),
        (r"\\mathbb\s*([A-Z])", r"\\mathbb{\1}"),
        (r"\\[lr]vert(?![A-Za-z])", "|"),
        (r"\\(?:ast|star)(?![A-Za-z])", r"\\cdot "),
        (r"\*\*", "^"),
        (r"\*", r"\\cdot "),
        (r"\\%", "%"),
        (r"\s*(?:\\text\{\s*)?(?<![A-Za-z])(?:percent(?:age)?|pct)(?![A-Za-z])(?:\s*\})?", "%"),
        (r"(?<![A-Za-z\\])sqrt(?![A-Za-z])", r"\\sqrt"),
        (r"(?<![A-Za-z\\])((?:arc)?(?:sin|cos|tan)|cot|sec|csc|ln|log|exp|max|min|gcd|pi|infty)(?![A-Za-z])", r"\\\1 "),
        (r"(?<![A-Za-z\\])(?:infinity|Infinity)(?![A-Za-z])", r"\\infty "),
        (r"\\sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"\\sqrt\s*([0-9A-Za-z])", r"\\sqrt{\1}"),
        (r"\\sqrt\s*(\\[A-Za-z]+)(?![A-Za-z{])", r"\\sqrt{\1}"),
        (r"\\frac\s*([0-9A-Za-z])\s*([0-9A-Za-z])", r"\\frac{\1}{\2}"),
        (r"\\frac\s*([0-9A-Za-z])\s*\{", r"\\frac{\1}{"),
        (r"\\frac\s*\{([^{}]*)\}\s*([0-9A-Za-z])", r"\\frac{\1}{\2}"),
        (r"\\frac\s+\{", r"\\frac{"),
        (r"\^\s*\(([^()]*)\)", r"^{\1}"),
        (r"\\begin\s*\{array\}\s*\{[^{}]*\}", r"\\begin{pmatrix}"),
        (r"\\end\s*\{array\}", r"\\end{pmatrix}"),
        (r"\\(begin|end)\s*\{(?:[bv]matrix|smallmatrix|matrix)\}", r"\\\1{pmatrix}"),
        (r"[(\[]\s*(\\begin\{pmatrix\}(?:(?!\\end).)*\\end\{pmatrix\})\s*[)\]]", r"\1"),
    )
)  # fmt: skip


def to_latex(text: str) -> str:
    r"""Plain LaTeX of an answer, without what only sets or announces it.

    Args:
        text: an answer of at most a few hundred characters; anything goes.
    """
    for _ in range(4):
        before, text = text, _once(text)
        if text == before:
            break
    return text


def _once(text: str) -> str:
    text = _bare(_readable(text))
    for pattern, new in _REWRITTEN:
        text = pattern.sub(new, text)
    text = text.replace(r"\$", "$")
    return _bare("\n".join(" ".join(line.split()) for line in text.split("\n")))


def _readable(text: str) -> str:
    """Unicode's letters, signs and raised digits as LaTeX has them, one text for each look; other text in NFKC."""
    pieces: list[str] = []
    mark = ""
    text = re.sub(r"(?:√|(?<![A-Za-z\\])sqrt) ?(\d+(?:\.\d+)?)", r"\\sqrt{\1}", text)
    for each in text:
        *kind, parts = unicodedata.decomposition(each).rpartition("> ")[::2]
        raised = "" if each in _SIGNS else _RAISED.get(kind[0], "")
        if raised != mark:
            pieces.append("}" * bool(mark) + (f"{raised}{{" if raised else ""))
            mark = raised
        if each in _SIGNS:
            pieces.append(_SIGNS[each])
        elif kind[0] == "<fraction" and "2044" in parts:
            top, _, bottom = "".join(chr(int(code, 16)) for code in parts.split()).partition("⁄")
            pieces.append(rf"\frac{{{top}}}{{{bottom}}}")
        elif each in "\n\t\r" or unicodedata.category(each) not in ("Cf", "Cc"):
            pieces.append(unicodedata.normalize("NFKC", each) if kind[0] else each)
    return unicodedata.normalize("NFC", "".join(pieces) + "}" * bool(mark)).translate({8722: "-"})


def _bare(text: str) -> str:
    """Text without the delimiters that enclose all of it, what announces it, and a final full stop."""
    for _ in range(12):
        before = text
        text = text.strip().removeprefix("=").lstrip()
        if text.endswith((".", ",")) and not text.endswith(".."):
            text = text[:-1].rstrip()
        text = unwrap(re.sub(r"(?i)^answer (?=[\\$\d(-])", "", text))
        text = _unboxed(text)
        if text == before:
            break
    # Inline mathematics inside a sentence: `$6$ and $8$`. A sign beside a number, and no second one, is a currency.
    text = re.sub(r"(?<!\\)\\[()\[\]]", " ", text)
    two_prices = re.fullmatch(r"\$[\d.,]+\W+\w*\W*\$[\d.,]+", text)
    if r"\$" in text or (text.count("$") % 2 == 0 and not two_prices):
        return re.sub(r"(?<!\\)\$", "", text)
    return re.sub(r"(?<!\d)\$(?! ?-?[\d.])", "", text)


def _unboxed(text: str) -> str:
    r"""Each `\boxed{...}` as its content, boxes side by side as a list."""
    text = re.sub(r"\}\s*(?=\\boxed\s*\{)", "},", text)
    while found := _BOX.search(text):
        depth, end = 1, found.end()
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        text = text[: found.start()] + text[found.end() : end - (not depth)] + text[end:]
    return text
