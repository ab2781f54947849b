"""An anywidget in a page of its own: its real module and style beside its real Python object, without a kernel."""

import base64
import contextlib
import json
import shutil
from collections.abc import Iterator, Sequence

import anywidget
import pytest

sync_api = pytest.importorskip("playwright.sync_api")

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, _NAMES)), None)
"""The browser's program, or None."""

# The part of anywidget's model that render() uses: what is sent or saved goes to Python, whose state comes back.
_MODEL = """
window.model = (() => {
  const heard = {}, unsaved = {};
  let state = {};
  const take = (now) => {
    const changed = Object.keys(now).filter((name) => JSON.stringify(now[name]) !== JSON.stringify(state[name]));
    state = now;
    changed.forEach((name) => (heard[`change:${name}`] ?? []).forEach((listener) => listener()));
  };
  const tell = (what) => window.told(JSON.stringify(what)).then((text) => {
    const { now, sent } = JSON.parse(text);
    take(now);
    const bytes = (coded) => Uint8Array.from(atob(coded), (sign) => sign.charCodeAt(0));
    const listeners = heard["msg:custom"] ?? [];
    sent.forEach(([content, buffers]) => listeners.forEach((listener) => listener(content, buffers.map(bytes))));
  });
  return {
    tell,
    get: (name) => state[name],
    set: (name, value) => { state[name] = unsaved[name] = value; },
    save_changes: () => { tell({ state: { ...unsaved } }); },
    send: (content) => { tell({ content }); },
    on: (name, listener) => { (heard[name] ??= []).push(listener); },
    off: () => {},
  };
})();
"""


@contextlib.contextmanager
def shown_in_page(
    browser: "sync_api.Browser", widget: anywidget.AnyWidget, width: int = 1300
) -> Iterator["sync_api.Page"]:
    """The widget rendered, in a window so wide; an error of its script fails the test."""
    page, errors = browser.new_page(viewport={"width": width, "height": 900}), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(10_000)
    names = sorted(set(widget.trait_names(sync=True)) - set(anywidget.AnyWidget.class_trait_names()))

    sent: list[object] = []

    def send(content: object, buffers: Sequence[bytes] = ()) -> None:
        sent.append([content, [base64.b64encode(each).decode() for each in buffers]])

    widget.send = send  # type: ignore[method-assign]

    def told(text: str) -> str:
        said = json.loads(text)
        for name, value in said.get("state", {}).items():
            setattr(widget, name, value)
        if "content" in said:
            widget._handle_custom_msg(said["content"], [])
        now = {name: getattr(widget, name) for name in names if not name.startswith("_")}
        answer = json.dumps({"now": now, "sent": sent})
        sent.clear()
        return answer

    page.expose_function("told", told)
    page.set_content(f"<!doctype html><style>{getattr(widget, '_css', '')}</style><div id=el></div>")
    page.evaluate(_MODEL)
    page.evaluate("() => window.model.tell({})")
    rendered = "widget.render({ model: window.model, el: document.getElementById('el') }); window.ready = true;"
    page.add_script_tag(type="module", content=f"{widget._esm}\n{rendered}".replace("export default", "const widget ="))
    page.wait_for_function("() => window.ready")
    yield page
    page.close()
    assert not errors


def launched() -> "Iterator[sync_api.Browser]":
    """A running browser, for a fixture; skips where none is installed."""
    if BROWSER is None:
        pytest.skip("no Chromium is installed")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield running
        running.close()
