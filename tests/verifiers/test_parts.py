"""Format, length and repetition, beside TRL's functions of the same formulas."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trl.rewards import get_repetition_penalty_reward, get_soft_overlong_punishment

from rftlab.errors import RftlabError
from rftlab.verifiers.parts import Format, Length, Repetition
from tests.verifiers.cases import example

WORDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=40)


def score(verifier, completion):
    return verifier(completion, example("x")).reward


@settings(max_examples=60, deadline=None, derandomize=True)
@given(WORDS, st.integers(1, 30), st.integers(0, 10))
def test_length_is_trls_soft_overlong_punishment_plus_one(words, maximum, soft):
    soft = min(soft, maximum)
    [theirs] = get_soft_overlong_punishment(maximum, soft)([list(range(len(words)))])
    if soft or len(words) != maximum:
        assert score(Length(maximum=maximum, soft=soft), " ".join(words)) == pytest.approx(1 + theirs)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(WORDS, st.integers(1, 4))
def test_repetition_is_trls_penalty_plus_one(words, n):
    [theirs] = get_repetition_penalty_reward(n, -1.0)([[ord(word) for word in words]])
    assert score(Repetition(n=n), " ".join(words)) == pytest.approx(1 + theirs)


def test_length_counts_words_or_characters():
    assert score(Length(maximum=4, soft=0), "a b c d e") == 0
    assert score(Length(maximum=9, soft=0, unit="characters"), "a b c d e") == 1


def test_format_is_one_well_formed_pair_of_tags():
    completions = ["<answer>1</answer>", "1", "<answer>1</answer><answer>1</answer>", "<answer></answer>"]
    assert [score(Format(), completion) for completion in completions] == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("verifier", "settings"),
    [(Length, {"maximum": 1, "soft": 2}), (Length, {"unit": "tokens"}), (Length, {"soft": -1}), (Repetition, {"n": 0})],
)
def test_bad_settings_are_refused(verifier, settings):
    with pytest.raises(RftlabError):
        verifier(**settings)
