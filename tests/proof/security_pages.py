"""Hostile texts in pages, in a real browser: nothing of theirs runs, asks for anything, or changes the page."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from rftlab import record, report
from rftlab.execute.results import write_grid
from rftlab.grid import Grid
from rftlab.interactive.label_pairs import PairQueue
from rftlab.interactive.label_widget import label_widget
from rftlab.interactive.study_view import study_view
from rftlab.shown import beside, tables, texts
from tests import synthetic
from tests.proof.proof import Case
from tests.proof.security_texts import TEXTS

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@cache
def browser_program() -> str | None:
    """The browser, if one is installed."""
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


def no_browser() -> str | None:
    """Why pages cannot be opened here, if they cannot."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    return None if browser_program() else "no Chromium is installed"


@dataclass
class Seen:
    """What a page did beside being shown."""

    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)

    def problem(self, page: Any, own: str) -> str:
        """What of it a text of somebody's has done; "" if nothing."""
        asked = [url for url in self.requests if url != own and not url.startswith(("data:", "blob:", "about:"))]
        if page.evaluate("window.hacked") is not None:
            return "its script ran"
        if asked:
            return f"the page asked for {asked[0][:100]}"
        if self.dialogs:
            return f"a dialog: {self.dialogs[0][:100]}"
        if self.frames or page.url != own:
            return f"the page went to {(self.frames or [page.url])[0][:100]}"
        if links := page.locator("a[href^='javascript' i], base, iframe, form[action]").count():
            return f"{links} elements of its own"
        return f"an error: {self.errors[0][:200]}" if self.errors else ""


@contextmanager
def opened() -> Iterator[Any]:
    """A running browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser_program(), args=["--no-sandbox"])
        yield running
        running.close()


@contextmanager
def watched(browser: Any) -> Iterator[tuple[Any, Seen]]:
    """A new page, and what it does."""
    page, seen = browser.new_page(viewport={"width": 1000, "height": 800}), Seen()
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
    page.on("popup", lambda popup: seen.frames.append(popup.url))
    yield page, seen
    page.close()


def hostile_study(folder: Path, text: str) -> Path:
    """A made-up study that says a text wherever somebody else's text can stand."""
    name = text.replace("/", "\u2215").replace("\0", "")[:60].encode("utf-8", "backslashreplace").decode() or "x"
    values = {
        "task": "file",
        "task_settings": {"path": f"/data/{name}.jsonl"},
        "verifier": f"/data/{name}.py:score",
        "model": f"/models/{name}",
        "system": text.encode("utf-8", "backslashreplace").decode(),
        "labels": 10,
        "cot": True,
    }
    made = []
    for method in ("sft", f"/methods/{name}.py:Mine"):
        for seed in (0, 1):
            cell = {**values, "method": method, "seed": seed}
            written = synthetic.write_cell(
                folder,
                cell,
                items=4,
                warnings=(text, f"{text} again"),
                environment={"python": text, "libraries": {"torch": text}},
            )
            home = record.cells_dir(folder) / written.id
            trace, samples = (list(record.read_lines(home / file)) for file in (record.TRACE, record.SAMPLES))
            said = {"completion": text, "prompt": text, "answer": text, "extracted": text, "parts": {text[:50]: 1.0}}
            written.write(home, trace=trace, samples=[{**row, **said} for row in samples])
            made.append(written)
    grid = Grid("hostile", tuple(each.parameters for each in made))
    write_grid(folder, grid)
    body = json.loads((folder / record.GRID).read_text())
    (folder / record.GRID).write_text(json.dumps({**body, "name": text}))
    return folder


def pages(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """The report's page with its viewer of answers, each text in all places of a study."""
    with opened() as browser:
        yield "a script, where it runs", "" if _seen_where_it_runs(browser) else "it is not seen"
        for number, (what, text) in enumerate(chosen(count - 1, chance).items()):
            study = hostile_study(folder / str(number), text)
            page_file = report.write_report(study, notebook=False)[0]
            with watched(browser) as (page, seen):
                page.goto(page_file.as_uri())
                page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
                for key in "jjkj":
                    page.keyboard.press(key)
                page.wait_for_timeout(150)
                viewer = page.locator("#answers-viewer .completion").count()
                yield what, seen.problem(page, page_file.as_uri()) or ("" if viewer else "the answers are not shown")


def _seen_where_it_runs(browser: Any) -> bool:
    with watched(browser) as (page, seen):
        page.set_content("<script>window.hacked = 1</script>")
        return seen.problem(page, page.url) == "its script ran"


def notebooks(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """What notebooks show of texts, and their widgets, each as a browser gets it."""
    with opened() as browser:
        for number, (what, text) in enumerate(chosen(count, chance).items()):
            made = tables.TextTable({text[:200]: [text], "b": [1.0]}, index=[text[:200]])
            items = [beside.Item(text, text, (beside.Answered(text, 0.5, False),))]
            outputs = [
                texts.preformatted(text),
                texts.wrong(text),
                texts.noted(text),
                made._repr_html_(),
                beside.Beside([text[:200]], items)._repr_html_(),
            ]
            with watched(browser) as (page, seen):
                page.goto("about:blank")
                page.evaluate("html => { document.body.innerHTML = html; }", "".join(outputs))
                page.wait_for_timeout(100)
                short = seen.problem(page, "about:blank")
            yield what, short or _widgets(browser, folder / str(number), text)


def _widgets(browser: Any, folder: Path, text: str) -> str:
    """The widgets that show completions: pairs to be labelled, and the answers of a study."""
    from tests.interactive.in_page import shown_in_page

    folder.mkdir()
    queue = PairQueue([(text, text, f"{text} other"), ("p", text, "b")], folder / "pairs.jsonl", opinion=lambda _: text)
    for widget in (label_widget(queue), study_view(hostile_study(folder / "study", text))):
        with shown_in_page(browser, widget, width=900) as page:
            for key in ("v", "1", "j"):
                page.keyboard.press(key)
            page.wait_for_timeout(50)
            if page.evaluate("window.hacked") is not None:
                return f"its script ran in {type(widget).__name__}"
            if page.locator("img[src=x], iframe, base, a[href^=javascript]").count():
                return f"it became markup in {type(widget).__name__}"
    return ""


def studio(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """The studio's grid of cells with a text as label, log, fact and sample."""
    from rftlab.interactive.studio import board
    from tests.browser.test_board import HARNESS

    sources = [(Path(board.__file__).parent / f"board.{kind}").read_text() for kind in ("js", "css")]
    with opened() as browser:
        for what, text in chosen(count, chance).items():
            text = text.encode("utf-8", "backslashreplace").decode()
            values = {
                "places": {"rows": [text], "columns": [text], "spots": [["0", text, 0, 0, 0]]},
                "states": {"0": ["failed", None, text]},
                "selected": "0",
                "shown": {"id": ""},
            }
            detail = {
                "id": "0",
                "label": text,
                "facts": [[text, text]],
                "curve": "",
                "log": text,
                "samples": [[text, text, text, text, 0.0]],
            }
            with watched(browser) as (page, seen):
                page.goto("about:blank")
                page.evaluate(HARNESS, [*sources, values])
                page.evaluate(f"() => model.set('shown', {json.dumps(detail)})")
                page.wait_for_timeout(50)
                stands = page.locator("pre.log").inner_text()
                kept = "x" in stands or stands.strip() or not text.strip()
                yield what, seen.problem(page, "about:blank") or ("" if kept else "the log is not shown")


def spreadsheets(count: int, folder: Path, chance: Random) -> Iterator[Case]:
    """The table of cells as a file, of which a spreadsheet computes nothing."""
    import csv

    for number, (what, text) in enumerate(chosen(count, chance).items()):
        study = hostile_study(folder / str(number), text)
        report.write_report(study, notebook=False)
        with (study / "report" / "cells.csv").open(newline="") as file:
            fields = [value for row in csv.reader(file) for value in row]
        acts = [value for value in fields if value[:1] in ("=", "+", "-", "@", "\t", "\r") and not _is_number(value)]
        yield what, f"a field begins as a formula: {acts[0][:80]!a}" if acts else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def chosen(count: int, chance: Random) -> Mapping[str, str]:
    """So many of the texts, as chance picks them."""
    names = chance.sample(sorted(TEXTS), min(count, len(TEXTS)))
    return {name: TEXTS[name] for name in names}
