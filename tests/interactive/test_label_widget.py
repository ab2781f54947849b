"""The widget on which completions are compared: its keys, what it sends to the page, and the page itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rftlab.errors import RftlabError
from rftlab.interactive.label_pairs import PairQueue
from rftlab.interactive.label_widget import LabelWidget, label_widget
from rftlab.tasks.choices import read_choices
from rftlab.tasks.pairs import read_pairs
from tests.interactive.in_page import launched, shown_in_page, sync_api

CANDIDATES = [("p1", "a", "b"), ("p2", "c", "d"), ("p3", "e", "f"), ("p4", "g", "h")]
HOSTILE = ("<script>window.hacked=1</script>", "<img src=x onerror='window.hacked=1'>", "</pre>\u202e<b>bold\x00")


def tell(widget: LabelWidget, key: str, number: int | None = None) -> None:
    """As the page does."""
    number = widget.shown["number"] if number is None else number
    widget._handle_custom_msg({"key": key, "number": number}, [])


def test_keys_choose_skip_and_take_back(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    widget = label_widget(PairQueue(CANDIDATES, file))
    for key in ("1", "2", "t", "x", "s", "b"):
        tell(widget, key)
    assert [choice.choice for choice in read_choices(file)] == ["first", "second", "tie", "both bad"]
    assert widget.shown["prompt"] == "All pairs are judged."
    assert [key for key, _, enabled in widget.shown["keys"] if enabled] == ["u"]
    tell(widget, "1")
    assert len(read_choices(file)) == 4
    tell(widget, "u")
    assert len(read_choices(file)) == 3
    assert widget.shown["prompt"] == "p4"


def test_a_key_pressed_on_what_is_no_longer_shown_does_nothing(tmp_path: Path) -> None:
    widget = label_widget(PairQueue(CANDIDATES, tmp_path / "x"))
    number = widget.shown["number"]
    tell(widget, "1", number)
    tell(widget, "1", number)
    assert len(read_choices(tmp_path / "x")) == 1
    for content in ("1", {}, {"key": None, "number": number + 1}, {"key": ["1"], "number": number + 1}):
        widget._handle_custom_msg(content, [])
    assert len(read_choices(tmp_path / "x")) == 1


def test_an_opinion_is_shown_until_the_next_key_and_a_problem_instead_of_a_traceback(tmp_path: Path) -> None:
    def ask(candidate: object) -> str:
        if candidate[0] == "p1":
            return "<b>says"
        raise RftlabError("the verifier broke")

    widget = label_widget(PairQueue(CANDIDATES, tmp_path / "x", opinion=ask))
    tell(widget, "v")
    assert (widget.shown["opinion"], widget.shown["prompt"]) == ("<b>says", "p1")
    tell(widget, "1")
    assert (widget.shown["opinion"], widget.shown["prompt"]) == ("", "p2")
    tell(widget, "v")
    assert widget.shown["problem"] == "the verifier broke"
    assert "v" not in [key for key, *_ in label_widget(PairQueue(CANDIDATES, tmp_path / "y")).shown["keys"]]


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    yield from launched()


def test_in_a_page_keys_are_heard_without_a_click_and_texts_stay_texts(browser, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    widget = label_widget(PairQueue([HOSTILE, *CANDIDATES], file, opinion=lambda _: "<i>opinion"))
    with shown_in_page(browser, widget, width=800) as page:
        boxes = page.locator(".rftlab-label pre")
        assert boxes.nth(0).text_content() == HOSTILE[0]
        assert set(boxes.all_text_contents()[1:]) == {HOSTILE[1], "</pre>⟨U+202E⟩<b>bold⟨U+0000⟩"}
        height = page.locator(".rftlab-label").bounding_box()["height"]
        page.keyboard.press("v")
        page.wait_for_selector("text=<i>opinion")
        page.keyboard.press("1")
        page.wait_for_function("() => document.querySelector('.prompt').textContent === 'p1'")
        page.locator("button:has-text('both bad')").click()
        page.wait_for_function("() => document.querySelector('.prompt').textContent === 'p2'")
        page.keyboard.press("2")
        page.wait_for_function("() => document.querySelector('.prompt').textContent === 'p3'")
        assert page.locator(".rftlab-label").bounding_box()["height"] == height, "nothing jumps"
        assert page.evaluate("window.hacked") is None
        assert page.locator(".rftlab-label :is(script, img, b, i)").count() == 0
    assert [choice.choice for choice in read_choices(file)] == ["first", "both bad", "second"]
    assert [choice.opinion_seen for choice in read_choices(file)] == [True, False, False]
    assert len(read_pairs(file)) == 2
