"""Runs inside the isolated worker: one regular expression on one answer."""

import functools
import re


@functools.lru_cache(maxsize=64)
def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    return re.compile(pattern, flags)


def matches(pattern: str, flags: int, whole: bool, answer: str) -> bool:
    """Whether the pattern matches the answer, as a whole or anywhere."""
    compiled = _compiled(pattern, flags)
    return bool(compiled.fullmatch(answer) if whole else compiled.search(answer))
