"""Every registered method has a page in docs/methods, which says what the code says."""

import pytest

from rftlab.registry import METHODS
from tests import method_pages
from tests.bench.method_pages import read
from tests.method_pages import FOLDER, INDEX, ROOT, deviations, explained, explanations

MODULES = sorted(f"rftlab.methods.{path.stem}" for path in (ROOT / "rftlab" / "methods").glob("*.py"))
AGAIN = "run python -m tests.method_pages"


def test_every_method_has_a_page_and_no_page_is_of_another() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} == {INDEX, *METHODS}, AGAIN


@pytest.mark.parametrize("method", METHODS)
def test_a_page_says_what_the_code_says(method: str) -> None:
    assert (FOLDER / f"{method}.md").read_text(encoding="utf-8") == method_pages.page(method), AGAIN


def test_the_index_lists_them() -> None:
    assert (FOLDER / f"{INDEX}.md").read_text(encoding="utf-8") == method_pages.index(), AGAIN


def test_every_metric_that_was_logged_is_explained() -> None:
    told = explanations()
    logged = {metric for found in read().values() for metric in found["logged"]}
    assert {metric for metric in logged if not explained(metric, told)} == set()


def test_what_was_measured_is_of_methods_that_there_are() -> None:
    assert set(read()) <= set(METHODS)


@pytest.mark.parametrize("module", MODULES)
def test_deviations_are_numbered_in_the_order_they_stand(module: str) -> None:
    numbers = [each.number for each in deviations(module)]
    assert numbers == [*range(1, len(numbers) + 1)]


def test_a_deviation_is_read_with_the_line_of_code_below_it() -> None:
    found = deviations("rftlab.methods.ddpg")
    code = (ROOT / found[-1].path).read_text(encoding="utf-8").splitlines()
    assert "(1 - self._epsilon) * pi" in code[found[-1].line - 1]
    assert "Ornstein-Uhlenbeck" in found[-1].text
