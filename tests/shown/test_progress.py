import pytest

from rftlab.shown.progress import Sampled, bar, sampled, seconds_left


@pytest.mark.parametrize(("share", "value"), [(0.25, "0.250"), (1.7, "1.000"), (-1.0, "0.000")])
def test_a_bar_is_filled_to_its_share(share: float, value: str) -> None:
    assert f"value='{value}'" in bar("train 1/4", share)


def test_completions_are_whole_have_their_reward_and_are_no_markup() -> None:
    page = sampled([Sampled("2 + 3?", "<b>five</b> " * 30, 0.5)], "Completions <i>")
    assert "<b>" not in page
    assert "<i>" not in page
    assert page.count("&lt;b&gt;five") == 30
    assert "reward 0.5" in page


def test_time_left_is_in_seconds_or_minutes() -> None:
    assert [seconds_left(s) for s in (5.4, 89, 150)] == ["about 5 s left", "about 89 s left", "about 2 min left"]
