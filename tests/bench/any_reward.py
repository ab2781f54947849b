"""A reward in which any two completions differ, so that a method that is measured has something to learn from."""

import zlib


def score(completion: str, example: object) -> float:
    """From 0 to 1, by the completion's checksum."""
    return zlib.crc32(completion.encode(errors="replace")) % 101 / 100
