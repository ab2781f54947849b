from IPython.core.interactiveshell import InteractiveShell

from rftlab.shown.texts import Text


def test_a_text_is_shown_wrapped_and_as_no_markup_and_is_a_string_elsewhere() -> None:
    text = Text("<b>five</b>\nwords")
    shown, _ = InteractiveShell.instance().display_formatter.format(text)
    assert "&lt;b&gt;five&lt;/b&gt;\nwords" in shown["text/html"]
    assert "pre-wrap" in shown["text/html"]
    assert shown["text/plain"] == "<b>five</b>\nwords"
    assert text == "<b>five</b>\nwords"
