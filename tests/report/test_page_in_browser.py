"""The page as readers open it: from disk, in a real browser, by mouse and keys, with completions that attack it."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rftlab import record, report
from tests import synthetic

sync_api = pytest.importorskip("playwright.sync_api")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

HOSTILE = (
    "</script><script>window.hacked=1</script>",
    "<!--<script>window.hacked=1",
    '<img src=x onerror="window.hacked=1">',
    "'\"><svg onload=window.hacked=1>&lt;b&gt;",
    "{{ 7*7 }}{% raw %}\\u003cb\\u003e",
    "before\u2028after\u2029end",
    "\u202egnp.exe\u2066\u200b",
    "nothing\x00here\x1b[31m\ufeff\ud800",
    "x" * 100_000,
    "fine",
)
RIGHT = {"base": {0, 3, 6, 9}, "sft": {1}, "grpo": {0, 2, 4, 8}}
"""Items that every cell of a method has right."""
SHOWN = {
    "before\u2028after\u2029end": "before⟨U+2028⟩after⟨U+2029⟩end",
    "\u202egnp.exe\u2066\u200b": "⟨U+202E⟩gnp.exe⟨U+2066⟩⟨U+200B⟩",
    "nothing\x00here\x1b[31m\ufeff\ud800": "nothing⟨U+0000⟩here⟨U+001B⟩[31m⟨U+FEFF⟩⟨U+D800⟩",
    "x" * 100_000: "x" * 3000 + " … 96,000 characters left out … " + "x" * 1000,
}


@dataclass
class Seen:
    """What a page did beside being shown."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    """The page of a small grid whose models wrote what is meant to break it."""
    folder = tmp_path_factory.mktemp("results") / "hostile"
    for found in synthetic.write_grid(folder, labels=(10, 300), cots=(True,), seeds=(0,), items=len(HOSTILE)):
        cell = record.cells_dir(folder) / found.id
        trace, samples = (list(record.read_lines(cell / name)) for name in (record.TRACE, record.SAMPLES))
        for row in samples:
            number = int(row["item"].partition("-")[2])
            row["reward"] = row["correct"] = float(number in RIGHT[found.cell["method"]])
            row["completion"] = row["extracted"] = row["answer"] = HOSTILE[number]
            row["prompt"] = "Q: " + row["completion"]
            row["parts"] = {"correct": row["reward"], "<i>format</i>": 1.0}
        found.write(cell, trace=trace, samples=samples)
    return report.write_report(folder, notebook=False)[0]


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def opened(browser, page_file) -> Iterator[tuple["sync_api.Page", Seen]]:
    page, seen = browser.new_page(viewport={"width": 1040, "height": 900}), Seen()
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("console", lambda message: seen.errors.append(message.text))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.goto(page_file.as_uri())
    yield page, seen
    page.close()


def part(page: "sync_api.Page", name: str) -> "sync_api.Locator":
    return page.locator(f'#answers-viewer [data-part="{name}"]')


def texts(page: "sync_api.Page", selector: str) -> Sequence[str]:
    """As they stand in the document, however they are laid out."""
    return page.locator(f"#answers-viewer {selector}").all_text_contents()


def test_hostile_completions_run_nothing_and_are_shown_as_text_as_the_keys_go_through_them(opened, page_file):
    page, seen = opened
    for number, text in enumerate(HOSTILE):
        assert part(page, "count").inner_text() == f"{number + 1} of {len(HOSTILE)}"
        assert texts(page, ".completion") == [SHOWN.get(text, text)] * 2
        assert page.locator("#answers-viewer :is(img, script, svg)").count() == 0
        page.keyboard.press("j")
    assert part(page, "count").inner_text() == f"1 of {len(HOSTILE)}"
    page.keyboard.press("k")
    assert texts(page, ".completion") == ["fine", "fine"]
    assert "<i>format</i> 1" in texts(page, "article .soft")[0]
    assert page.evaluate("window.hacked") is None
    assert (seen.requests, seen.errors) == ([page_file.as_uri()], [])


def test_no_script_but_the_pages_own_runs_even_if_it_got_in(browser, page_file, tmp_path):
    attack = '<script>window.hacked=1</script><img src="x" onerror="window.hacked=1"></main>'
    copy = tmp_path / "attacked.html"
    copy.write_text(page_file.read_text().replace("</main>", attack))
    page = browser.new_page()
    page.goto(copy.as_uri())
    assert page.evaluate("window.hacked") is None
    assert part(page, "count").inner_text() == f"1 of {len(HOSTILE)}"
    page.close()


def test_filters_count_and_show_the_items_they_name(opened):
    page, _ = opened
    names = part(page, "left").locator("option").all_inner_texts()
    left, right = names.index("untrained base"), names.index("GRPO, 300 labels")
    part(page, "left").select_option(index=left)
    part(page, "right").select_option(index=right)
    wanted = {
        "all": 10, "left wrong, right right": 3, "left right, right wrong": 3, "both wrong": 3, "both right": 1,
        "they disagree": 6,
    }  # fmt: skip
    assert part(page, "filter").locator("option").all_inner_texts() == [f"{name} ({n})" for name, n in wanted.items()]
    part(page, "filter").select_option(label="left wrong, right right (3)")
    assert part(page, "count").inner_text() == "1 of 3"
    assert texts(page, "article .verdict") == ["✗ wrong", "✓ right"]


def test_without_javascript_one_line_says_where_the_answers_are(browser, page_file):
    page = browser.new_page(java_script_enabled=False)
    page.goto(page_file.as_uri())
    assert "runs no JavaScript" in page.locator("#answers noscript").inner_text()
    assert not page.locator("#answers-viewer").is_visible()
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 768, 1040, 1600])
def test_nothing_is_wider_than_the_window(opened, width, tmp_path):
    page, _ = opened
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    for _ in HOSTILE:
        page.keyboard.press("j")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.screenshot(path=_screenshots(tmp_path) / f"page_{width}.png", full_page=True)


def test_in_a_narrow_window_what_is_decided_is_seen_without_scrolling_sideways(opened):
    page, _ = opened
    page.set_viewport_size({"width": 360, "height": 900})
    hidden = """[...document.querySelectorAll('#decisions .stack td, #claims .stack td, #differences figure svg')]
      .filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > innerWidth).length"""
    assert page.evaluate(hidden) == 0
    head = page.locator("#decisions td.decided").first
    assert head.evaluate("node => getComputedStyle(node, '::before').content") == '"what is decided: "'
    assert page.locator("#labels .tabs").bounding_box()["width"] > 320


@pytest.mark.slow
def test_on_paper_what_is_folded_is_open_and_what_is_for_the_hand_is_gone(opened, tmp_path):
    page, _ = opened
    folded = """[...document.querySelectorAll('details:not([open])')]
      .filter((each) => !each.lastElementChild.checkVisibility({ contentVisibilityAuto: true })).length"""
    assert page.evaluate(folded) > 2
    page.emulate_media(media="print")
    page.wait_for_function(f"() => {folded} === 0")  # the browser lays out for paper a frame later
    page.screenshot(path=_screenshots(tmp_path) / "page_print.png", full_page=True)
    assert not any(page.locator(name).first.is_visible() for name in ("nav", ".answers-controls", ".table-filter"))
    assert len(page.pdf()) > 10_000


CONTRAST = """selector => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (node) => {
    const [r, g, b, a = 1] = parse(getComputedStyle(node).backgroundColor);
    return a > 0 || !node.parentElement ? [r, g, b] : behind(node.parentElement);
  };
  return [...document.querySelectorAll(selector)].filter((node) => node.offsetHeight).map((node) => {
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  });
}"""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(opened, scheme, tmp_path):
    page, _ = opened
    page.emulate_media(color_scheme=scheme)
    page.screenshot(path=_screenshots(tmp_path) / f"page_{scheme}.png", full_page=True)
    for selector in ("p", "a", "th", "td", "pre", "select", "button", ".word", ".soft", ".badge", "label", "dd"):
        found = page.evaluate(CONTRAST, selector)
        assert found
        assert min(found) >= 4.5, selector
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark == (scheme == "dark")


@pytest.mark.slow
def test_the_main_figure_shows_another_measure_by_the_arrow_keys(opened):
    page, _ = opened
    tabs, figures = page.locator("#labels .tabs > input"), page.locator("#labels .tab")
    assert tabs.count() > 1
    tabs.first.focus()
    for number in (1, 0):
        page.keyboard.press("ArrowRight" if number else "ArrowLeft")
        assert [figures.nth(n).is_visible() for n in range(2)] == [n == number for n in range(2)]


@pytest.mark.slow
def test_cells_are_sorted_by_a_click_or_a_key_on_a_head_and_filtered_by_words(opened):
    page, _ = opened
    table = page.locator("#cells table.filterable")
    head = table.get_by_role("columnheader", name="accuracy", exact=True)
    column = head.evaluate("node => node.cellIndex")
    shown = lambda n: table.locator(f"tbody tr:visible td:nth-child({n + 1})").all_inner_texts()  # noqa: E731
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    numbers = [float(text.removesuffix(" %")) for text in shown(column)]
    assert numbers == sorted(numbers) != sorted(numbers, reverse=True)
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(text.removesuffix(" %")) for text in shown(column)] == sorted(numbers, reverse=True)
    page.get_by_label("Only rows with").fill("GRPO 300")
    assert len(shown(0)) == 1
    assert page.locator(".table-filter [role=status]").inner_text() == "1 of 5"
    page.get_by_label("Only rows with").fill("")
    assert len(shown(0)) == 5


def _screenshots(default: Path) -> Path:
    """Where pictures go: the folder named by RFTLAB_SCREENSHOTS, to be looked at, or the test's own."""
    folder = Path(os.environ.get("RFTLAB_SCREENSHOTS", default))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
