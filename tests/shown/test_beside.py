from rftlab.shown.beside import Answered, Beside, Item

HOSTILE = "<script>alert(1)</script>"


def two() -> Beside:
    items = [
        Item("What is 2 + 3? " * 20, "5", (Answered(HOSTILE, 0.0, False), Answered("five: 5", 1.0, True))),
        Item("And 1 + 1?", "2", (Answered("2", 1.0, True), Answered("nearly 2", 0.5, False))),
    ]
    return Beside(["base", "tuned"], items)


def test_prompts_and_answers_are_whole_and_hostile_texts_are_no_markup() -> None:
    page = two()._repr_html_()
    assert "What is 2 + 3? " * 19 in page
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_right_and_wrong_are_marked_by_more_than_colour() -> None:
    page, text = two()._repr_html_(), repr(two())
    for mark in ("✗ wrong", "✓ right", "✗ wrong, reward 0.5"):
        assert mark in page
        assert mark in text
    assert str(two()) == "Right of these 2: base 1, tuned 1."


def test_the_table_has_a_row_an_item() -> None:
    table = two().table
    assert list(table["tuned right"]) == [True, False]
    assert list(table["base"]) == [HOSTILE, "2"]
