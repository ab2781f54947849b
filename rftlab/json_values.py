"""JSON values: ones that never change, so that what holds them has one content and one hash, and the texts in them."""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise TypeError("a Cell never changes; make another one: Cell.make({**cell.flat(), name: value})")


class FrozenDict(dict[str, Any]):
    """A dict that refuses to be changed."""

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


class FrozenList(list[Any]):
    """A list that refuses to be changed."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = append = clear = _refuse  # type: ignore[assignment]
    extend = insert = pop = remove = reverse = sort = _refuse  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self),)


def frozen(value: Any) -> Any:
    """JSON values that refuse to be changed, and are equal to what they were."""
    if isinstance(value, dict):
        return FrozenDict({key: frozen(each) for key, each in value.items()})
    return FrozenList(map(frozen, value)) if isinstance(value, list) else value


def unread(error: Exception) -> str:
    """Why a file of JSON could not be read, in a few words: `json.loads`' own and the system's are for programmers."""
    if isinstance(error, UnicodeError):
        return "it is no text in UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested without end"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it holds a number of thousands of digits" if "digits" in str(error) else f"not valid JSON ({error})"


def without_folders(values: Any, digests: Mapping[str, str]) -> Any:
    """JSON values with each path whose content is in ``digests``, by dotted name, cut to its file name.

    `/home/me/study/checks.py:score` becomes `checks.py:score`.
    """

    def cut(name: str, text: str) -> str:
        return text if is_version(digests.get(name, _VERSION)) else text.rstrip("/").rpartition("/")[2]

    return with_texts(values, cut)


def with_texts(values: Any, new: Callable[[str, str], str], name: str = "") -> Any:
    """JSON values with each text replaced by ``new(dotted name, text)``."""
    if isinstance(values, Mapping):
        return {key: with_texts(each, new, f"{name}.{key}" if name else key) for key, each in values.items()}
    if isinstance(values, list):
        return [with_texts(each, new, f"{name}.{index}") for index, each in enumerate(values)]
    return new(name, values) if isinstance(values, str) else values


def is_version(digest: str) -> bool:
    """Whether an entry of `Cell.digests` is the version of a packaged part (`grpo version 2`), not of content."""
    return _VERSION in digest


_VERSION = " version "
