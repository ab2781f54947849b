"""Every shape is recognised by its columns, read back as it was written, and refused in words where it is broken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rftlab.errors import RftlabError
from rftlab.tasks.columns import filled, placeholders, text_of, value_of
from rftlab.tasks.shapes import SHAPES, Said, recognised, turns

# Texts without tags: what stands in tags of an answer or of thinking is the subject of tests of its own.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<>"), min_size=1, max_size=20)
TEXTS = TEXTS.map(str.strip).filter(bool)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)


def messages(*texts: str, system: str = "", keys=("role", "content"), names=("user", "assistant")) -> list[dict]:
    spoken = [{keys[0]: names[i % 2], keys[1]: text} for i, text in enumerate(texts)]
    return [{keys[0]: "system", keys[1]: system}, *spoken] if system else spoken


WRITTEN = {
    "prompt-answer": lambda p, a: {"prompt": p, "answer": a},
    "question-answer": lambda p, a: {"question": p, "answer": a},
    "prompt-completion": lambda p, a: {"prompt": p, "completion": a},
    "trl-chat": lambda p, a: {"prompt": messages(p), "completion": [{"role": "assistant", "content": a}]},
    "chat": lambda p, a: {"messages": messages(p, a)},
    "rft": lambda p, a: {"messages": messages(p), "reference_answer": a},
    "alpaca": lambda p, a: {"instruction": p, "input": "", "output": a},
    "sharegpt": lambda p, a: {"conversations": messages(p, a, keys=("from", "value"), names=("human", "gpt"))},
}


@given(TEXTS, TEXTS)
def test_what_is_written_in_a_shape_is_read_back(prompt, answer):
    assert WRITTEN.keys() == SHAPES.keys()
    for shape, write in WRITTEN.items():
        row = write(prompt, answer)
        assert recognised(row) == [shape]
        assert SHAPES[shape].said(row)[:3] == (prompt, answer, "")
        through_parquet = {**row, "unused": None, "messages": row.get("messages")}
        assert recognised(through_parquet) == [shape]


@given(TEXTS, TEXTS, st.lists(TEXTS, max_size=2), TEXTS)
def test_a_conversation_is_one_prompt_with_the_system_s_words_first(system, prompt, earlier, answer):
    earlier = [text for question in earlier for text in (question, "ok")]
    said = SHAPES["chat"].said({"messages": messages(*earlier, prompt, answer, system=system)})
    assert said.answer == answer
    if earlier:
        written = [f"{'User' if i % 2 == 0 else 'Assistant'}: {text}" for i, text in enumerate([*earlier, prompt])]
        assert said.prompt == "\n\n".join([system, *written])
    else:
        assert said.prompt == f"{system}\n\n{prompt}"


@given(JSON.filter(lambda value: value is not None))
def test_an_object_as_gold_is_kept_as_it_is_and_becomes_its_json(gold):
    said = SHAPES["rft"].said({"messages": messages("p"), "reference_answer": gold, "difficulty": "easy"})
    assert (said.answer, said.meta) == (gold, {"difficulty": "easy"})
    assert gold == (text_of(gold) if isinstance(gold, str) else json.loads(text_of(gold)))


@pytest.mark.parametrize(
    ("completion", "answer", "rationale"),
    [
        ("<think>\n6 * 7 = 42\n</think>\n\n42", "42", "6 * 7 = 42"),
        ("6 * 7 = 42. <answer>42</answer>", "42", "6 * 7 = 42."),
        ("<think>6 * 7</think> So <answer> 42 </answer>", "42", "6 * 7\nSo"),
        ("no <answer>1</answer> or <answer>2</answer>", "no <answer>1</answer> or <answer>2</answer>", ""),
    ],
)
def test_what_was_thought_before_an_answer_is_its_rationale(completion, answer, rationale):
    for shape in ("prompt-completion", "trl-chat", "chat", "alpaca", "sharegpt"):
        assert SHAPES[shape].said(WRITTEN[shape]("p", completion)) == Said("p", answer, rationale)


def test_a_demonstration_beside_a_reference_answer_is_its_rationale():
    said = SHAPES["rft"].said({"messages": messages("p", "since 2 + 2 is 4"), "reference_answer": "4"})
    assert said == Said("p", "4", "since 2 + 2 is 4")


def test_parts_of_a_message_and_messages_as_json_are_read():
    openai = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    nova = {"role": "user", "content": [{"text": "a"}, {"text": "b"}]}
    for message in (openai, nova):
        assert turns([message], "messages") == turns(json.dumps([message]), "messages") == [("user", "a\nb")]


def test_alpaca_s_input_system_and_history_stand_in_the_prompt():
    row = {"instruction": "Sort.", "input": "b a", "output": "a b", "system": "Be brief.", "history": [["Hi", "Hello"]]}
    assert SHAPES["alpaca"].said(row).prompt == "Be brief.\n\nUser: Hi\n\nAssistant: Hello\n\nUser: Sort.\n\nb a"


@pytest.mark.parametrize(
    ("shape", "row", "match"),
    [
        ("chat", {"messages": "hello"}, "messages is a text, not a list of messages"),
        ("chat", {"messages": []}, "messages is not a list of messages"),
        ("chat", {"messages": [{"role": "wizard", "content": "x"}]}, "message 1 of messages is by 'wizard'"),
        ("chat", {"messages": [{"content": "x"}]}, "message 1 of messages is by None"),
        ("chat", {"messages": [{"role": "assistant", "content": "x"}]}, "no message of the user's stands before"),
        (
            "chat",
            {"messages": [{"role": "user", "content": None, "tool_calls": [{}]}]},
            "message 1 of messages holds no text but calls a tool",
        ),
        (
            "chat",
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "holds a part that is no text .image_url.",
        ),
        ("trl-chat", {"prompt": messages("p"), "completion": messages("a", "b")}, "not one message of the assistant"),
        ("alpaca", {"instruction": "p", "output": "a", "history": [["x"]]}, "history is not a list of pairs"),
        ("prompt-answer", {"prompt": {"a": 1}, "answer": "a"}, "holds a dict, neither a text nor a list of messages"),
    ],
)
def test_a_row_that_is_broken_is_refused_in_words(shape, row, match):
    with pytest.raises(RftlabError, match=match):
        SHAPES[shape].said(row)


@given(st.dictionaries(TEXTS.filter(lambda name: name != "classes"), TEXTS, min_size=1, max_size=4), TEXTS)
def test_a_template_puts_columns_in_and_reads_nothing_in_them_as_a_template(row, text):
    row = {name.replace("{", "").replace("}", "") or "x": value for name, value in row.items()}
    literal = text.replace("{", "{{").replace("}", "}}")
    template = literal + "".join(f"{{{name}}}" for name in row)
    assert filled(template, row, ["a", "b"]) == text + "".join(row.values())
    assert placeholders(template) == list(row)
    assert filled("{classes}", row, ["a", "b"]) == "a, b"


@pytest.mark.parametrize("template", ["{", "}", "a {b", "{}", "{a}}"])
def test_a_brace_that_opens_nothing_is_refused(template):
    with pytest.raises(RftlabError, match="names no column; write {{ or }}"):
        placeholders(template)


def test_a_dotted_name_reaches_into_an_object_and_a_missing_column_is_named():
    row = {"reward_model": {"ground_truth": 4}, "a.b": 1, "none": float("nan")}
    assert [value_of(row, name) for name in ("reward_model.ground_truth", "a.b", "none", "x.y")] == [4, 1, None, None]
    with pytest.raises(RftlabError, match="no column 'Subjekt', .* did you mean Subject"):
        filled("{Subjekt}", {"Subject": "x"}, [])
