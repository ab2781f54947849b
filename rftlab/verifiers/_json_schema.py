"""Runs inside the isolated worker: one JSON text against one schema."""

import functools
import json
from typing import Any, NoReturn

import jsonschema
import referencing


def check(schema_text: str, answer: str, gold: str) -> str:
    """Return "" where the answer is JSON that fits the schema, and equals ``gold`` unless that is ""; else why not."""
    try:
        value = parse(answer)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {str(error)[:200]}"
    violation = next(_validator(schema_text).iter_errors(value), None)
    if violation is not None:
        return f"at {violation.json_path[:100]}: {violation.message[:200]}"
    if gold and _canonical(value) != _canonical(parse(gold)):
        return "fits the schema, but is not the gold value"
    return ""


def parse(text: str) -> Any:
    """JSON value; unlike the standard parser, refuses NaN, Infinity and a key given twice."""
    return json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


@functools.lru_cache(maxsize=64)
def _validator(schema_text: str) -> Any:
    schema = json.loads(schema_text)
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    # An empty registry: a remote $ref is an error, never a download.
    return kind(schema, registry=referencing.Registry())


def _canonical(value: Any) -> str:
    """Text equal for equal JSON: 1 equals 1.0 (as JSON Schema has it), true differs from 1, order of keys is free."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)
