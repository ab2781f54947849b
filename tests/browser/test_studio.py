"""The studio as people use it, in JupyterLab: a grid written, run, stopped, widened, found again after a reload."""

import contextlib
import json
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rftlab.execute import requests
from rftlab.files.paths import notebooks_dir
from rftlab.grid import Grid
from tests.browser.test_lab import (
    BROWSER,
    _screenshots,
    _serving,
    assert_all_ran,
    open_notebook,
    sync_api,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"),
]
# One arm that is done in seconds, one that would take an hour.
SMALL = """model: tiny-base
task: arithmetic/word
method: [base, sft]
labels: 8
budget.amount: [10, 600000]
evaluation: {test_items: 8, train_items: 4, sampled_items: 0, ood_items: 0, along_items: 4, retention_items: 4}
"""
SHOT = {"width": 1300, "height": 1500}


@pytest.fixture(autouse=True)
def no_run_is_left(root: Path) -> Iterator[None]:
    """End the runs that a test began and, where it failed, left: they are processes of their own."""
    yield
    for mark in root.rglob(".*.run"):
        said = json.loads(mark.read_text())
        with contextlib.suppress(psutil.NoSuchProcess):
            run = psutil.Process(said["pid"])
            if run.create_time() != said["since"]:
                continue
            run.send_signal(signal.SIGINT)
            try:
                run.wait(30)
            except psutil.TimeoutExpired:
                for process in (*run.children(recursive=True), run):
                    process.kill()


def counts(page: "sync_api.Page", text: str, timeout: float = 240_000) -> None:
    """Wait until the line of counts says something."""
    found = "(text) => new RegExp(text).test(document.querySelector('.rftlab-counts')?.innerText ?? '')"
    page.wait_for_function(found, arg=text, timeout=timeout)


def press(page: "sync_api.Page", name: str) -> None:
    page.locator(f"button.jupyter-button:has-text('{name}')").click()


def pictures(page: "sync_api.Page", folder: Path, name: str) -> None:
    """The page at the two widths that are looked at."""
    for width in (1300, 800):
        page.set_viewport_size({**SHOT, "width": width})
        page.wait_for_timeout(700)
        page.screenshot(path=folder / f"{name}_{width}.png")
    page.set_viewport_size(SHOT)


def test_a_study_is_written_run_stopped_widened_and_found_again(page, lab, root, tmp_path):
    shots, folder = _screenshots(tmp_path), root / "notebooks"
    page.set_viewport_size(SHOT)
    open_notebook(page, lab, "05_studio.ipynb")
    assert_all_ran(page)
    labels = page.locator(".rftlab-labels input")
    labels.fill("ten")
    labels.press("Tab")
    page.wait_for_selector("text=label budgets are 'ten'; give whole numbers")
    labels.fill("8, 40")
    labels.press("Tab")
    page.wait_for_selector("text=/15 cells, .*can show \\d+ points/", timeout=120_000)
    pictures(page, shots, "studio_form")
    press(page, "Write the grid")
    page.wait_for_selector("text=written to studio.yaml")
    assert len(Grid.load(folder / "studio.yaml").cells) == 15
    (folder / "studio.yaml").write_text(SMALL)  # the study itself takes minutes
    press(page, "Run")
    page.wait_for_selector("text=go on when this page is closed")
    counts(page, "3 cells: 1 running, 2 done")
    pictures(page, shots, "studio_running")
    long = page.locator("button.cell[data-kind=running]")
    assert "train" in long.get_attribute("title")
    long.click()
    page.wait_for_selector(".detail img[src^='data:image/png;base64,']", timeout=60_000)
    assert "running" in page.locator(".detail h4").inner_text()
    pictures(page, shots, "studio_curve")
    assert "\x1b" not in (folder / "studio.log").read_text()
    press(page, "Stop")
    counts(page, "3 cells: 1 waiting, 2 done; no run goes on")
    page.locator("button.cell[data-kind=waiting]").focus()
    page.keyboard.press("s")
    counts(page, "3 cells: 2 done, 1 skipped; no run goes on")
    press(page, "Add a seed")
    counts(page, "6 cells: 1 running, 4 done, 1 skipped")

    page.reload()
    open_notebook(page, lab, "05_studio.ipynb")
    assert_all_ran(page)
    counts(page, "6 cells: 1 running, 4 done, 1 skipped; studio: ")
    done = page.locator("button.cell[data-kind=done]").last
    done.scroll_into_view_if_needed()
    done.click()
    page.wait_for_selector(".detail .samples tbody tr")
    assert page.locator(".detail .samples tbody tr").count() == 8
    assert page.locator(".detail img").get_attribute("src").startswith("data:image/png;base64,")
    page.wait_for_selector("text=/So far: 4 of 6 cells/")
    page.locator(".rftlab-board").scroll_into_view_if_needed()
    pictures(page, shots, "studio_cell")
    page.locator("button.cell[data-kind=running]").focus()
    page.keyboard.press("s")
    counts(page, "6 cells: 4 done, 2 skipped; no run goes on")
    assert len(requests.skipped(folder / "results" / "studio")) == 2
    assert (folder / "results/studio/report/report.html").is_file()


def test_the_studio_under_voila_opens_what_a_terminal_left(page, root, tmp_path):
    pytest.importorskip("voila")
    shutil.copytree(notebooks_dir(), root / "studio")
    with _serving(root, "voila", "", str(root / "studio/05_studio.ipynb")) as address:
        page.set_viewport_size(SHOT)
        page.goto(address)
        page.wait_for_selector("text=/\\d+ cells, .*can show \\d+ points/", timeout=120_000)
        assert re.search("no cells yet", page.locator(".rftlab-counts").inner_text())
        pictures(page, _screenshots(tmp_path), "studio_voila")
