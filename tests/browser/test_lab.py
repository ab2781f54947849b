"""The notebooks as people use them: opened in JupyterLab, in a real browser, run, and a widget moved."""

import contextlib
import json
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
def root(tmp_path_factory) -> Path:
    """A folder with copies of the notebooks beside made-up results."""
    root = tmp_path_factory.mktemp("lab")
    shutil.copytree(notebooks_dir(), root / "notebooks")
    synthetic.write_grid(root / "results/demo", labels=(10, 300), items=10)
    return root


@pytest.fixture(scope="module")
def lab(root) -> Iterator[str]:
    """Address of a JupyterLab there."""
    options = [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}", "--allow-root"]
    with _serving(root, "jupyterlab", f"api?token={TOKEN}", *options) as address:
        yield f"{address}/lab/workspaces"


@contextlib.contextmanager
def _serving(root: Path, module: str, asked: str, *options: str) -> Iterator[str]:
    """Address of a server of notebooks, with settings of its own; it answers what is asked before anybody else asks."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = root / "home"
    environment = {
        **os.environ, "JUPYTER_CONFIG_DIR": str(home), "JUPYTER_DATA_DIR": str(home / "data"), "HOME": str(home),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH", "")))),
    }  # fmt: skip
    where = ["--port", str(port)] if module == "voila" else ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    command = [sys.executable, "-m", module, "--no-browser", *where, *options]
    log = root / f"{module}.log"
    with log.open("w") as out, subprocess.Popen(command, env=environment, stdout=out, stderr=out) as server:
        try:
            _wait_until_it_answers(f"http://127.0.0.1:{port}/{asked}", server, log)
            yield f"http://127.0.0.1:{port}"
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


def test_compare_runs_and_is_filtered_pointed_at_and_clicked(page, lab, tmp_path):
    open_notebook(page, lab, "30_compare.ipynb")
    assert_all_ran(page)
    assert page.locator('.jp-RenderedImage img[src^="data:image/png"]').count() >= 5
    assert page.locator(".matrix tbody").count() >= 2
    for width in (800, 1300):
        page.set_viewport_size({"width": width, "height": 1000})
        page.locator(".matrix").scroll_into_view_if_needed()
        page.wait_for_timeout(300)
        page.screenshot(path=_screenshots(tmp_path) / f"compare_study_{width}.png")
        page.locator(".rftlab-compare").scroll_into_view_if_needed()
        page.wait_for_timeout(2500)
        page.screenshot(path=_screenshots(tmp_path) / f"compare_{width}.png")
    page.locator("[data-part=figure]").select_option(label="against training FLOPs")
    page.locator("fieldset[data-part=arm] label:has-text('SFT') input").uncheck()
    page.wait_for_selector("text=12 of 20 cells")
    assert page.locator(".mark[aria-label^='untrained base']").count() == 2
    mark = page.locator(".mark[aria-label^='GRPO, 300 labels']").first
    mark.hover()
    page.wait_for_selector(".tip:has-text('GRPO, 300 labels')")
    page.screenshot(path=_screenshots(tmp_path) / "compare_pointed.png")
    mark.click()
    page.wait_for_selector(".rftlab-compare .behind article:has-text('GRPO, 300 labels')")
    page.screenshot(path=_screenshots(tmp_path) / "compare_behind.png")
    with page.expect_download() as download:
        page.locator(".rftlab-compare button:has-text('PDF')").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF")


def test_pairs_are_labelled_by_keys_without_a_click_and_a_later_sitting_takes_back(page, lab, root, tmp_path):
    open_notebook(page, lab, "50_label_pairs.ipynb")
    assert_all_ran(page)
    for width in (800, 1300):
        page.set_viewport_size({"width": width, "height": 1000})
        page.locator(".rftlab-label").scroll_into_view_if_needed()
        page.wait_for_timeout(500)
        page.screenshot(path=_screenshots(tmp_path) / f"labelling_{width}.png")
    choices = root / "notebooks/results/pairs.choices.jsonl"
    prompt = page.locator(".rftlab-label .prompt")
    page.locator(".rftlab-label").hover()
    for number, key in enumerate("1tb2", start=1):
        before = page.locator(".rftlab-label .state").inner_text()
        page.keyboard.press(key)
        page.wait_for_function("text => document.querySelector('.rftlab-label .state').innerText !== text", arg=before)
        assert len(choices.read_text().splitlines()) == number
    page.keyboard.press("v")
    page.wait_for_selector("text=/The verifier gives the first/")
    page.screenshot(path=_screenshots(tmp_path) / "labelling_opinion.png")
    assert len((root / "notebooks/results/pairs.jsonl").read_text().splitlines()) == 2
    last = json.loads(choices.read_text().splitlines()[-1])
    page.reload()
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for()
    page.wait_for_timeout(1000)
    assert_all_ran(page)
    page.locator(".rftlab-label").scroll_into_view_if_needed()
    page.locator(".rftlab-label").hover()
    page.keyboard.press("u")
    page.wait_for_function(
        "text => document.querySelector('.rftlab-label .prompt').textContent.trim() === text.trim()", arg=last["prompt"]
    )
    assert len(choices.read_text().splitlines()) == 3
    assert prompt.count() == 1


@pytest.mark.skipif(not (notebooks_dir() / "00_start_here.ipynb").is_file(), reason="00_start_here does not exist yet")
def test_start_here_runs(page, lab, tmp_path):
    open_notebook(page, lab, "00_start_here.ipynb")
    assert_all_ran(page)
    page.screenshot(path=_screenshots(tmp_path) / "start_here.png")


SMALL = """model: tiny-base
task: arithmetic/word
method: [base, sft]
labels: 8
budget.amount: 10
evaluation: {test_items: 8, train_items: 4, sampled_items: 0, ood_items: 0, along_items: 4, retention_items: 4}
"""


def advised_by_keyboard(page: "sync_api.Page", folder: Path, pictures: Path) -> None:
    """Fill in the form, write the study and run it, with the Tab, Enter and letter keys alone."""
    fields = page.locator(".widget-dropdown select, .widget-text input")
    fields.first.wait_for()
    first = page.locator(".rftlab-first").inner_text
    before = first()
    fields.first.focus()
    asked = page.get_by_text("Which share of prompts does the base answer right at the first try?")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.placeholder || ''").startswith("a share"):
            break
    assert asked.is_visible()
    page.keyboard.type("many")
    page.keyboard.press("Tab")
    page.wait_for_selector("text=base_accuracy is 'many'; give a share")
    page.screenshot(path=pictures / "advisor_refused.png")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("0.97")
    page.keyboard.press("Tab")
    page.wait_for_function(
        "before => ![before, undefined].includes(document.querySelector('.rftlab-first')?.innerText)", arg=before
    )
    _press(page, "Write the grid")
    page.wait_for_selector("text=written to advice.yaml")
    written = folder / "advice.yaml"
    assert "settles what was advised" in written.read_text()
    written.write_text(SMALL)  # the study itself takes minutes
    _press(page, "Run it")
    page.wait_for_selector("text=go on when this page is closed", timeout=30_000)
    page.wait_for_selector("text=/advice: \\d of 2 cells/", timeout=120_000)
    page.screenshot(path=pictures / "advisor_running.png")
    page.wait_for_selector("text=done; the page is report/report.html", timeout=120_000)
    page.screenshot(path=pictures / "advisor_done.png", full_page=True)
    assert (folder / "results/advice/report/report.html").is_file()


def _press(page: "sync_api.Page", name: str) -> None:
    """Go on with Tab until a button has the focus, and press Enter."""
    for _ in range(60):
        if page.evaluate("() => document.activeElement.innerText") == name:
            page.keyboard.press("Enter")
            return
        page.keyboard.press("Tab")
    pytest.fail(f"no button {name!r} is reached by Tab")


def test_the_advisor_is_driven_by_keyboard_and_runs_its_study(page, lab, root, tmp_path):
    open_notebook(page, lab, "40_advisor.ipynb")
    assert_all_ran(page)
    page.locator(".jp-WindowedPanel-outer").first.evaluate("panel => { panel.scrollTop = 0 }")
    page.locator(".rftlab-first").scroll_into_view_if_needed()
    page.screenshot(path=_screenshots(tmp_path) / "advisor.png")
    advised_by_keyboard(page, root / "notebooks", _screenshots(tmp_path))


def test_the_advisor_under_voila(page, root, tmp_path):
    pytest.importorskip("voila")
    shutil.copytree(notebooks_dir(), root / "app")
    with _serving(root, "voila", "", str(root / "app/40_advisor.ipynb")) as address:
        page.goto(address)
        advised_by_keyboard(page, root / "app", _screenshots(tmp_path / "voila"))


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
