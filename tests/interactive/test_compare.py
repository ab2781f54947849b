"""The interactive view without a browser: moving a control changes the picture."""

from pathlib import Path

import ipywidgets
import pytest

from rftlab.interactive.compare import compare
from tests import synthetic


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    synthetic.write_grid(folder, labels=(10, 300), items=10)
    return folder


@pytest.fixture
def view(results):
    return compare(results)


def control(view, description: str):
    rows = [child for child in view.children if isinstance(child, ipywidgets.HBox)]
    return next(w for row in rows for w in row.children if w.description == description)


def picture(view) -> bytes:
    return bytes(view.children[-1].value)


def test_the_first_picture_is_there_before_anything_is_touched(view):
    assert picture(view).startswith(b"\x89PNG")
    assert "20 of 20 cells" in view.children[-2].value


@pytest.mark.parametrize("kind", ["prompts", "gap", "learning", "cost"])
def test_every_figure_can_be_chosen(view, kind):
    before = picture(view)
    control(view, "figure").value = kind
    assert picture(view).startswith(b"\x89PNG")
    assert picture(view) != before


def test_metric_and_filters_change_the_picture(view):
    seen = {picture(view)}
    control(view, "metric").value = "pass_at_8"
    seen.add(picture(view))
    control(view, "methods").value = ("grpo",)
    seen.add(picture(view))
    control(view, "prompts").value = ("direct",)
    seen.add(picture(view))
    assert len(seen) == 4
    assert "4 of 20 cells" in view.children[-2].value


def test_choosing_nothing_says_so_and_recovers(view):
    control(view, "methods").value = ()
    assert picture(view) == b""
    assert "choose at least one" in view.children[-2].value
    control(view, "methods").value = ("sft",)
    assert picture(view).startswith(b"\x89PNG")


def test_a_figure_that_the_chosen_cells_cannot_show_is_not_an_error(view):
    control(view, "methods").value = ("base",)
    shown = picture(view)
    control(view, "figure").value = "learning"
    assert picture(view).startswith(b"\x89PNG"), "a picture that says why"
    assert picture(view) != shown
