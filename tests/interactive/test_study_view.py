"""Matrix and answers in a notebook: those of the page, in a page of their own, names and completions as texts."""

from collections.abc import Iterator

import pytest

from rftlab import record, report
from rftlab.interactive.study_view import study_view
from tests import synthetic
from tests.interactive.in_page import launched, shown_in_page, sync_api

HOSTILE = "</script><img src=x onerror='window.hacked=1'>"


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    yield from launched()


def test_matrix_and_answers_are_those_of_the_page(tmp_path):
    synthetic.write_grid(tmp_path, labels=(10,), cots=(True,), seeds=(0, 1), items=6)
    page = report.write_report(tmp_path, notebook=False)[0].read_text()
    view = study_view(tmp_path)
    assert view.matrix.strip() in page
    assert [arm["name"] for arm in view.answers["panels"][0]["arms"]] == [
        "untrained base",
        "GRPO, 10 labels",
        "SFT, 10 labels",
    ]
    assert view._repr_mimebundle_()[0]["text/html"] == view.matrix


def test_in_a_page_neither_names_nor_completions_become_markup(browser, tmp_path):
    for each in synthetic.write_grid(tmp_path, labels=(10,), cots=(True,), seeds=(0, 1), items=4):
        cell = record.cells_dir(tmp_path) / each.id
        trace, samples = (list(record.read_lines(cell / name)) for name in (record.TRACE, record.SAMPLES))
        each.write(cell, trace=trace, samples=[{**row, "completion": HOSTILE, "prompt": HOSTILE} for row in samples])
    view = study_view(tmp_path)
    view.matrix = view.matrix.replace("untrained base", "&lt;img src=x onerror=&#39;window.hacked=1&#39;&gt;", 1)
    with shown_in_page(browser, view, width=800) as page:
        assert page.locator(".matrix tbody").count() == 1
        assert page.locator(".answers-viewer .completion").all_text_contents() == [HOSTILE] * 2
        page.locator(".answers-viewer").get_by_role("button", name="next").click()
        page.keyboard.press("j")
        assert page.locator("[data-part=count]").inner_text() == "3 of 4"
        assert page.locator(".page :is(img, script)").count() == 0
        assert page.evaluate("window.hacked") is None
