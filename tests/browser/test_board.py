"""The grid of cells alone in a browser, without Jupyter: quick with many cells, by keyboard, and no text as markup."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rftlab.interactive.studio import board
from tests.browser.test_lab import BROWSER, sync_api

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

# What anywidget gives a view: values, changes, and messages to the kernel, which are kept here.
HARNESS = """async ([source, css, values]) => {
  document.body.innerHTML = "<style></style><div id='board'></div>";
  document.querySelector("style").textContent = css;
  const heard = {};
  const model = {
    sent: [], get: name => values[name],
    set: (name, value) => { values[name] = value; (heard[`change:${name}`] ?? []).forEach(tell => tell()); },
    save_changes: () => {}, send: message => model.sent.push(message),
    on: (name, tell) => (heard[name] ??= []).push(tell), off: () => {},
  };
  window.model = model;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  const began = performance.now();
  widget.render({ model, el: document.querySelector("#board") });
  document.querySelector("#board").getBoundingClientRect();
  return performance.now() - began;
}"""
HOSTILE = "</pre><img src=x onerror='window.hit=1'><script>window.hit=1</script>"


@pytest.fixture(scope="module")
def page() -> Iterator["sync_api.Page"]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 800, "height": 900})
        browser.close()


def draw(page: "sync_api.Page", rows: int, columns: int, seeds: int) -> float:
    """Show so many cells; milliseconds until they stand."""
    spots = [[f"{r}-{c}-{s}", f"row {r} n={c} seed {s}", r, c, s] for r in range(rows) for c in range(columns)
             for s in range(seeds)]  # fmt: skip
    kinds = [["done", 0.72, "greedy accuracy"], ["running", 0.25, "train 15/60"], ["failed", None, HOSTILE],
             ["skipped", None, ""], ["damaged", None, "no digest"]]  # fmt: skip
    places = {
        "rows": [f"row {r}" for r in range(rows)],
        "columns": [f"{10 * c}" for c in range(columns)],
        "spots": spots,
    }
    states = {spot[0]: kind for spot, kind in zip(spots, kinds, strict=False)}
    values = {"places": places, "states": states, "selected": "", "shown": {"id": ""}}
    folder = Path(board.__file__).parent
    sources = [(folder / f"board.{kind}").read_text() for kind in ("js", "css")]
    page.goto("about:blank")
    return page.evaluate(HARNESS, [*sources, values])


def test_each_state_has_a_mark_beside_its_colour_and_450_cells_are_drawn_at_once(page):
    took = draw(page, 6, 5, 15)
    cells = page.locator("button.cell")
    assert cells.count() == 450
    assert cells.all_inner_texts()[:6] == ["✓ 72", "▶ 25", "✗", "–", "!", "·"]
    assert cells.nth(0).get_attribute("aria-label") == "row 0 n=0 seed 0: done 72 %, greedy accuracy"
    assert took < 1500  # 40 ms where nothing else runs
    again = page.evaluate(
        """() => { const began = performance.now();
        model.set("states", {...model.get("states"), "5-4-14": ["done", 1, ""]});
        return performance.now() - began; }"""
    )
    assert cells.nth(449).inner_text() == "✓ 100"
    assert again < 500


def test_cells_are_reached_and_asked_for_by_keys(page):
    draw(page, 3, 2, 5)
    at = lambda: page.evaluate("() => document.activeElement.title.split(':')[0]")  # noqa: E731
    page.keyboard.press("Tab")
    assert at() == "row 0 n=0 seed 0"
    for key, place in (("ArrowRight", "row 0 n=0 seed 1"), ("ArrowDown", "row 1 n=0 seed 1"),
                       ("ArrowUp", "row 0 n=0 seed 1"), ("End", "row 2 n=1 seed 4"),
                       ("Home", "row 0 n=0 seed 0")):  # fmt: skip
        page.keyboard.press(key)
        assert at() == place
    page.keyboard.press("s")  # done: nothing to skip
    page.keyboard.press("ArrowRight")
    page.keyboard.press("s")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("r")
    assert page.evaluate("model.sent") == [{"do": "skip", "cell": "0-0-1"}, {"do": "retry", "cell": "0-0-2"}]
    page.keyboard.press("Enter")
    assert page.evaluate("model.get('selected')") == "0-0-2"
    page.keyboard.press("Escape")
    assert page.evaluate("model.get('selected')") == ""
    assert at() == "row 0 n=0 seed 2"


def test_what_a_model_or_a_library_wrote_is_shown_as_it_is(page):
    draw(page, 1, 1, 3)
    shown = {"id": "0-0-2", "label": HOSTILE, "facts": [[HOSTILE, "1"]], "curve": "", "log": HOSTILE,
             "samples": [[HOSTILE, HOSTILE, "", "5", 0.0]]}  # fmt: skip
    page.evaluate(f"() => model.set('shown', {json.dumps(shown)})")
    assert page.locator("pre.log").inner_text() == HOSTILE
    assert page.locator(".samples pre").all_inner_texts()[:2] == [HOSTILE, HOSTILE]
    assert page.locator(".rftlab-board img, .rftlab-board script").count() == 0
    assert page.evaluate("window.hit") is None
    page.locator(".acts button", has_text="Retry").click()
    assert page.evaluate("model.sent") == [{"do": "retry", "cell": "0-0-2"}]


def test_the_button_that_somebody_is_on_keeps_the_focus_while_a_cell_runs(page):
    draw(page, 1, 1, 2)
    shown = {"id": "0-0-1", "label": "sft", "facts": [], "curve": "", "log": "", "samples": []}
    page.evaluate(f"() => model.set('shown', {json.dumps(shown)})")
    page.locator(".acts button", has_text="Skip").focus()
    page.evaluate("() => model.set('states', { '0-0-1': ['running', 0.5, 'train 30/60'] })")
    assert "train 30/60" in page.locator(".detail").inner_text()
    page.keyboard.press("Enter")
    assert page.evaluate("model.sent") == [{"do": "skip", "cell": "0-0-1"}]


def test_the_items_of_a_cell_scroll_and_words_stay_whole_where_the_page_breaks_them(page):
    draw(page, 1, 1, 1)
    samples = [["A prompt of several words that needs more than one line here", "9", "9", "9", 1.0]] * 30
    shown = {"id": "0-0-0", "label": "sft", "facts": [], "curve": "", "log": "", "samples": samples}
    jupyterlab = "const rule = document.createElement('style'); rule.textContent = 'div pre { word-break: break-all }';"
    page.evaluate(f"() => {{ {jupyterlab} document.head.append(rule); }}")
    page.evaluate(f"() => model.set('shown', {json.dumps(shown)})")
    assert page.locator(".detail").evaluate("panel => panel.offsetHeight") < 600
    assert page.locator(".samples tbody tr").count() == 30
    assert page.locator(".samples pre").first.evaluate("pre => getComputedStyle(pre).wordBreak") == "normal"
