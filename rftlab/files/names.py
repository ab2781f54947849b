"""Names that files of a study may have: what an archive lists, and what a record says lies beside it.

Both can come from a stranger. No name here leads out of its folder, and no file of a study is one that is ever run.
"""

import re

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"
_PLAIN = re.compile(rf"(?=.{{1,200}}\Z){_PART}(/{_PART}){{0,5}}\Z")
LIST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\.(json|jsonl|yaml)")
"""Files that say something of a study as a whole: its grid, its tuning, its judgements, ..."""
PAGE = ("report/report.html", "report/cells.csv")
_OF_STUDY = (
    LIST,
    re.compile("|".join(map(re.escape, PAGE))),
    re.compile(r"failed/[^/]+/error\.txt"),
    re.compile(r"cells/[^/]+/[^/]+\.jsonl?"),
    re.compile(r"cells/[^/]+/policy/([^/]+/)?[^/]+\.(safetensors|json|txt|jinja|model)"),
)


def is_plain(name: object) -> bool:
    """Whether a name is relative, stays below its folder, and means the same on every system."""
    return isinstance(name, str) and _PLAIN.match(name) is not None


def is_file_name(name: object) -> bool:
    """Whether a name is plain and of a file right in its folder."""
    return is_plain(name) and "/" not in str(name)


def is_of_study(name: str) -> bool:
    """Whether `rftlab export` writes files of this name: data, the report's page, a kept policy; no code."""
    return is_plain(name) and any(kind.fullmatch(name) for kind in _OF_STUDY)
