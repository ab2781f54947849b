"""JSON that fits a schema, and equals the gold value if asked; validated in a process of its own.

A schema can take long on hostile text (a pattern that blows up, uniqueItems on thousands of items), hence the isolated
worker and its one second. Remote references are refused: nothing is ever fetched.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from rftlab.errors import RftlabError
from rftlab.sandbox.library import shared
from rftlab.verifiers.base import Gold, Judgement, Verifier, cannot_judge
from rftlab.verifiers.wrappers import unwrap


class JsonSchema(Verifier):
    """Correct (1.0) if the answer is JSON that fits the schema, else 0.0, with the first violation as detail.

    Args:
        schema: JSON Schema; None takes `meta["schema"]` of each example.
        match_gold: the value must also equal the gold answer's (1 equals 1.0, the order of keys is free).
        **settings: see `Verifier`.

    Raises:
        RftlabError: not a JSON schema, or one with a remote reference.
    """

    row: ClassVar[Mapping[str, Any]] = {
        "prompt": "Ann is 7. Give her age as JSON.",
        "answer": '{"age": 7}',
        "schema": {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}}},
    }

    def __init__(self, *, schema: Mapping[str, Any] | None = None, match_gold: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self._match_gold = self.needs_gold = match_gold
        self._problems: dict[str, str] = {}
        self._schema = json.dumps(schema, sort_keys=True) if schema is not None else ""
        problem = self._problem(self._schema) if self._schema else ""
        if problem:
            raise RftlabError(f"json-schema: {problem}; mend verifier_settings.schema")

    def judge_batch(self, answers: Sequence[str], examples: Sequence[Gold]) -> list[Judgement]:
        """Judge a batch in one call to the isolated worker."""
        schemas = [self._schema or _written(example.meta.get("schema")) for example in examples]
        usable = [i for i, schema in enumerate(schemas) if not self._problem(schema)]
        calls = [(schemas[i], unwrap(answers[i]), examples[i].answer if self._match_gold else "") for i in usable]
        results: list[tuple[Any, str]] = []
        if calls:
            worker = shared("rftlab.verifiers._json_schema:check")
            results, self.isolation = worker.map_with_reasons(calls), worker.level
        verdicts = [cannot_judge(self._problem(schema)) for schema in schemas]
        for i, (violation, why) in zip(usable, results, strict=True):
            if violation is None:
                verdicts[i] = cannot_judge(f"the schema gave no verdict: {why}")
            else:
                verdicts[i] = Judgement(float(violation == ""), detail=str(violation))
        return verdicts

    def _problem(self, schema: str) -> str:
        if schema not in self._problems:
            self._problems[schema] = _find_problem(schema)
        return self._problems[schema]


def _written(schema: Any) -> str:
    if schema is None:
        return ""
    return schema if isinstance(schema, str) else json.dumps(schema, sort_keys=True)


def _find_problem(text: str) -> str:
    """Why a schema cannot be used, "" if it can; schemas are the author's, not the model's."""
    import jsonschema

    if not text:
        return "no schema: give verifier_settings.schema, or meta.schema in each row"
    try:
        schema = json.loads(text)
        kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        kind.check_schema(schema)
    except (ValueError, jsonschema.SchemaError) as error:
        return f"not a JSON schema: {str(error).splitlines()[0][:200]}"
    remote = next((reference for reference in _references(schema) if not reference.startswith("#")), None)
    return f"the schema refers to {remote!r}; only references within it (#/...) are followed" if remote else ""


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)
