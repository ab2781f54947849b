"""Questions about facts, and multiple choice from files in several shapes."""

import json
from collections import Counter

import pytest

from rftlab.errors import RftlabError
from rftlab.tasks.qa import TOPICS, _questions, load, read_facts


def test_there_are_a_thousand_facts_and_none_contradicts_another():
    facts = list(read_facts())
    assert len(facts) >= 1000
    assert {fact.topic for fact in facts} == {"chemistry", "geography", "history", "astronomy"}
    assert max(Counter((fact.relation, fact.subject) for fact in facts).values()) == 1


@pytest.mark.parametrize(
    ("relation", "subject", "value"),
    [
        ("chemical symbol of", "iron", "Fe"),
        ("atomic number of", "uranium", "92"),
        ("capital of", "Japan", "Tokyo"),
        ("currency code of", "Croatia", "EUR"),
        ("continent of", "Peru", "South America"),
        ("year of", "the Battle of Marathon", "490 BC"),
        ("year of", "the fall of the Berlin Wall", "1989"),
        ("planet of the moon", "Triton", "Neptune"),
    ],
)
def test_well_known_facts_are_there_or_absent_but_never_otherwise(relation, subject, value):
    found = [fact.value for fact in read_facts() if (fact.relation, fact.subject) == (relation, subject)]
    assert found in ([value], [])
    if subject != "Croatia":  # the two sources may differ on a change of currency
        assert found


def test_questions_asked_the_other_way_round_have_one_answer():
    for relation in ("chemical symbol of", "atomic number of", "capital of", "position from the Sun of the planet"):
        values = Counter(fact.value for fact in read_facts() if fact.relation == relation)
        assert max(values.values()) == 1


def test_everything_about_one_subject_is_on_one_side():
    asked = _questions(TOPICS)
    sides = {part: {(q.fact.topic, q.fact.subject) for q in questions} for part, questions in asked.items()}
    assert set(sides) == {"train", "test", "rule", "surface"}
    assert all(sides.values())
    assert not any(sides["train"] & sides[part] for part in ("test", "rule", "surface"))


def test_topics_can_be_chosen():
    assert all("year of" in e.prompt for e in load("facts", topics=["history"]).train)
    with pytest.raises(RftlabError, match="'cooking'.*known: chemistry"):
        load("choice", topics=["cooking"])


def test_options_are_distinct_of_one_kind_and_the_letters_are_balanced():
    task = load("choice")
    for example in task.train + task.beyond:
        assert len(set(example.meta["choices"].values())) == 4
    letters = Counter(example.answer for example in task.train)
    assert set(letters) == set("ABCD")
    assert max(letters.values()) < 2 * min(letters.values())


SHAPES = [
    ({"question": "q?", "choices": ["x", "y", "z"], "answer": 1}, {}),
    ({"question": "q?", "choices": ["x", "y", "z"], "answer": "B"}, {}),
    ({"question": "q?", "choices": ["x", "y", "z"], "answer": "y"}, {}),
    ({"question": "q?", "choices": {"text": ["x", "y", "z"], "label": ["A", "B", "C"]}, "answer": "B"}, {}),
    ({"question": "q?", "choices": {"A": "x", "B": "y", "C": "z"}, "answer": "b"}, {}),
    ({"question": "q?", "choices": '["x", "y", "z"]', "answer": "1"}, {}),
    (
        {"stem": "q?", "a": "x", "b": "y", "c": "z", "key": "B"},
        {"question": "stem", "choices": ["a", "b", "c"], "answer": "key"},
    ),
]


@pytest.mark.parametrize(("row", "columns"), SHAPES)
def test_choices_are_read_in_every_usual_shape(tmp_path, row, columns):
    text = columns.get("question", "question")
    rows = [{**row, text: f"{i}: q?"} for i in range(5)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    task = load("choice", path=str(tmp_path / "a.jsonl"), columns=columns)
    assert (len(task.train), len(task.test)) == (3, 2)
    assert {(e.answer, e.meta["choices"]["B"]) for e in task.train + task.test} == {("B", "y")}
    assert task.train[0].prompt.endswith("q?\nA) x\nB) y\nC) z")


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ({"choices": ["x", "y"], "answer": "A"}, "line 1: no question"),
        ({"question": "q?", "choices": ["x"], "answer": "A"}, "line 1: needs two to five choices"),
        ({"question": "q?", "choices": ["x", "y"], "answer": "w"}, "line 1: the answer 'w' is none of A, B"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path, row, match):
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    with pytest.raises(RftlabError, match=match):
        load("choice", path=str(tmp_path / "a.jsonl"))
