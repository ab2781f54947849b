"""JSON against a schema; nothing is fetched."""

import pytest

from rftlab.errors import RftlabError
from rftlab.verifiers.json_schema import JsonSchema
from tests.verifiers.cases import example, reward

SCHEMA = {
    "type": "object",
    "required": ["name", "age"],
    "properties": {"name": {"$ref": "#/$defs/text"}, "age": {"type": "integer", "minimum": 0}},
    "additionalProperties": False,
    "$defs": {"text": {"type": "string", "pattern": "^[A-Z]"}},
}


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ('{"name": "Ann", "age": 3}', 1), ('{"age": 3.0, "name": "Ann"}', 1), ('{"name": "ann", "age": 3}', 0),
        ('{"name": "Ann"}', 0),
        ('{"name": "Ann", "age": -1}', 0), ('{"name": "Ann", "age": true}', 0),
        ('{"name": "Ann", "age": 3, "x": 1}', 0),
        ('{"name": "Ann", "age": 3, "age": 4}', 0), ('{"name": "Ann", "age": NaN}', 0), ("{'name': 'Ann'}", 0),
        ("null", 0), ("[" * 9_000, 0),
        ('{"name": "Ann", "age": 3} {"name": "Ann", "age": 3}', 0), ('```json\n{"name": "Ann", "age": 3}\n```', 1),
        ('```json\n{"name": "Ann"}\n```', 0),
    ],
)  # fmt: skip
def test_schema(answer, right):
    assert reward(JsonSchema(schema=SCHEMA), answer) == right


def test_the_gold_value_may_be_asked_for():
    verifier = JsonSchema(schema={"type": "array"}, match_gold=True)
    assert reward(verifier, "[1, 2.0]", "[1.0, 2]") == 1
    assert reward(verifier, "[1, 2]", "[2, 1]") == 0
    assert reward(verifier, "[true]", "[1]") == 0


def test_a_violation_is_named():
    assert "$.age" in JsonSchema(schema=SCHEMA)('<answer>{"name": "A", "age": -1}</answer>', example("")).detail


def test_a_pattern_that_blows_up_is_stopped():
    slow = {"type": "string", "pattern": "^(a+)+$"}
    score = JsonSchema(schema=slow)(f'<answer>"{"a" * 60}!"</answer>', example(""))
    assert score.reward == 0
    assert "timeout" in score.detail
    assert score.parts["verifier_error"] == 1


@pytest.mark.parametrize(
    "schema", [{"type": "nonsense"}, {"$ref": "http://localhost/x"}, {"properties": {"a": {"$ref": "file:///etc/x"}}}]
)
def test_bad_or_remote_schemas_are_refused(schema):
    with pytest.raises(RftlabError, match="json-schema"):
        JsonSchema(schema=schema)
    assert JsonSchema()("<answer>1</answer>", example("1", schema=schema)).parts["verifier_error"] == 1


def test_a_property_may_be_called_ref():
    assert reward(JsonSchema(schema={"properties": {"$ref": {"type": "string"}}}), '{"$ref": "http://localhost"}') == 1
