"""What only wraps an answer is taken off, in whatever order it was put on, and nothing else is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rftlab.verifiers.choice import Choice
from rftlab.verifiers.exact import Exact
from rftlab.verifiers.numeric import Numeric
from rftlab.verifiers.wrappers import unwrap
from tests.verifiers.cases import example

INLINE = (
    "**{}**",
    "__{}__",
    "`{}`",
    "${}$",
    r"\({}\)",
    r"\[{}\]",
    r"\boxed{{{}}}",
    r"\text{{{}}}",
    "\u200b{}\ufeff",
    " {} ",
)
AROUND = ("The answer is {}", "final answer: {}", "```\n{}\n```", "~~~text\n{}\n~~~")
wrappers = st.tuples(
    st.lists(st.sampled_from(INLINE), max_size=4, unique=True), st.lists(st.sampled_from(AROUND), max_size=1)
).map(lambda both: [*both[0], *both[1]])


def wrapped(text, forms):
    for form in forms:
        text = form.format(text)
    return text


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(-(10**5), 10**5), wrappers)
def test_a_wrapped_number_is_paid_and_its_neighbour_is_not(number, forms):
    for verifier in (Numeric(), Exact()):
        assert verifier(f"<answer>{wrapped(number, forms)}</answer>", example(str(number))).reward == 1
        assert verifier(f"<answer>{wrapped(number + 1, forms)}</answer>", example(str(number))).reward == 0


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from("ABCD"), wrappers)
def test_a_wrapped_letter_is_paid_and_another_is_not(letter, forms):
    meta = {"choices": ["Rome", "Paris", "Oslo", "Bern"]}
    other = "ABCDA"["ABCD".index(letter) + 1]
    completions = [f"<answer>{wrapped(each, forms)}</answer>" for each in (letter, other)]
    assert [Choice()(each, example(letter, **meta)).reward for each in completions] == [1, 0]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet="ab1 *_`$\\{}()[]\n\u200bＡ", max_size=40))
def test_unwrapping_twice_changes_nothing_and_never_raises(text):
    assert unwrap(unwrap(text)) == unwrap(text)


@pytest.mark.parametrize("text", ["$5 and $6", "**a** b **c**", r"\boxed{1} or \boxed{2}", "{x}", "(3)", "2³", "x_1"])
def test_what_is_no_wrapper_stays(text):
    assert unwrap(text) == text


@pytest.mark.parametrize("open_", ["$" * 4000, "\\boxed{" * 1000, "`" * 5000, "**" * 3000, "the answer is " * 700])
def test_hostile_text_takes_no_time(open_):
    assert isinstance(unwrap(open_), str)
