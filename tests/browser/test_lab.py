"""The notebooks as people use them: opened in JupyterLab, in a real browser, run, and a widget moved."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from rftlab.files.paths import notebooks_dir
from tests import synthetic

sync_api = pytest.importorskip("playwright.sync_api")

TOKEN = "rftlab-test"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")]


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[str]:
    """Address of a JupyterLab on copies of the notebooks beside made-up results."""
    root = tmp_path_factory.mktemp("lab")
    shutil.copytree(notebooks_dir(), root / "notebooks")
    synthetic.write_grid(root / "results/demo", labels=(10, 300), items=10)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = root / "home"
    environment = {
        **os.environ, "JUPYTER_CONFIG_DIR": str(home), "JUPYTER_DATA_DIR": str(home / "data"), "HOME": str(home),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH", "")))),
    }  # fmt: skip
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
        f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}", "--allow-root",
    ]  # fmt: skip
    with (
        (root / "lab.log").open("w") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            _wait_until_it_answers(f"http://127.0.0.1:{port}/api?token={TOKEN}", server, root / "lab.log")
            yield f"http://127.0.0.1:{port}/lab/workspaces"
        finally:
            server.terminate()


@pytest.fixture
def page(tmp_path) -> Iterator["sync_api.Page"]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 1100})
        page.set_default_timeout(120_000)
        yield page
        page.screenshot(path=_screenshots(tmp_path) / "last.png")
        browser.close()


def open_notebook(page: "sync_api.Page", lab: str, name: str) -> None:
    """Open a notebook in a workspace of its own and wait for its kernel."""
    page.goto(f"{lab}/{name.partition('.')[0]}/tree/notebooks/{name}?token={TOKEN}")
    # Run All before the kernel is idle is silently dropped.
    idle = page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
    select = page.locator(".jp-Dialog button.jp-mod-accept:has-text('Select')")
    idle.or_(select).first.wait_for()
    page.wait_for_timeout(1000)
    if select.is_visible():
        select.click()
        select.wait_for(state="hidden")
    idle.wait_for()


def run_all(page: "sync_api.Page") -> list[str]:
    """Run every cell and wait until none is waiting; the prompts of the cells, `[3]:` for one that ran."""
    prompts = "[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(prompt => prompt.textContent)"
    for last in (False, False, True):
        page.click("text=Run >> nth=0")
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        try:
            page.wait_for_function(f"() => {prompts}.some(text => /\\[(\\d+|\\*)\\]/.test(text))", timeout=20_000)
            break
        except sync_api.TimeoutError:
            # A busy machine's JupyterLab drops the first Run All now and then, idle kernel or not.
            if last:
                raise
    idle = "document.querySelector('.jp-Notebook-ExecutionIndicator[data-status=\"idle\"]')"
    page.wait_for_function(f"() => {idle} && !{prompts}.some(text => text.includes('*'))", timeout=240_000)
    return page.evaluate(f"() => {prompts}")


def assert_all_ran(page: "sync_api.Page") -> None:
    prompts = run_all(page)
    failed = page.locator('.jp-OutputArea-output[data-mime-type*="error"]').all_inner_texts()
    assert not failed
    assert prompts
    assert all(re.search(r"\[\d+\]", prompt) for prompt in prompts)


def test_compare_runs_and_a_moved_widget_changes_the_figure(page, lab, tmp_path):
    open_notebook(page, lab, "30_compare.ipynb")
    assert_all_ran(page)
    assert page.locator('.jp-RenderedImage img[src^="data:image/png"]').count() >= 5
    view = page.locator("img.widget-image")
    view.wait_for()
    view.scroll_into_view_if_needed()
    before = view.get_attribute("src")
    page.screenshot(path=_screenshots(tmp_path) / "compare_before.png")
    page.locator(".widget-dropdown:has-text('figure') select").select_option(label="accuracy vs cost")
    page.wait_for_function("src => document.querySelector('img.widget-image').src !== src", arg=before)
    page.locator(".widget-select-multiple:has-text('methods') select").select_option(label="GRPO")
    page.wait_for_selector("text=8 of 20 cells")
    page.screenshot(path=_screenshots(tmp_path) / "compare_after.png")


@pytest.mark.skipif(not (notebooks_dir() / "00_start_here.ipynb").is_file(), reason="00_start_here does not exist yet")
def test_start_here_runs(page, lab, tmp_path):
    open_notebook(page, lab, "00_start_here.ipynb")
    assert_all_ran(page)
    page.screenshot(path=_screenshots(tmp_path) / "start_here.png")


def _screenshots(default: Path) -> Path:
    """Where pictures go: the folder named by RFTLAB_SCREENSHOTS, to be looked at, or the test's own."""
    folder = Path(os.environ.get("RFTLAB_SCREENSHOTS", default))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _wait_until_it_answers(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        if server.poll() is not None:
            break
        try:
            with urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    pytest.fail(f"JupyterLab did not start: {log.read_text()[-2000:]}")
