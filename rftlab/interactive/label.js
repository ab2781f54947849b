// Keys work while the focus is anywhere within the widget; it takes the focus when it is first seen, and when the mouse
// comes over it, unless somebody is typing elsewhere.
const KERNEL_MS = 4000;

function render({ model, el }) {
  const [prompt, first, second] = ["prompt", "first", "second"].map((name) => element("pre", { className: name, tabIndex: 0 }));
  const side = (name, box) => element("section", {}, element("h4", {}, name), box);
  const [keys, said, state, listening] = [["div", "keys"], ["div", "said"], ["p", "state"], ["span", "listening"]].map(([tag, className]) => element(tag, { className }));
  said.setAttribute("role", "status");
  const two = element("div", { className: "two" }, side("first", first), side("second", second));
  const root = element("div", { className: "rftlab-widget rftlab-label", tabIndex: 0 }, prompt, two, keys, said, state);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "which of two completions is better; keys: 1 first, 2 second, t tie, b both bad, s skip, u undo");
  // JupyterLab's own keys (1 makes a heading of a cell) stay out of here.
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  el.append(element("div", { className: "rftlab-narrow" }, root));
  let waiting = null;

  const text = (box, value) => box.replaceChildren(...shown("span", value).childNodes);
  const typing = () => document.activeElement?.closest("input, textarea, select, [contenteditable=true]") ?? null;
  const take = () => { if (!root.contains(document.activeElement) && !typing()) root.focus({ preventScroll: true }); };

  function send(key) {
    if (waiting) return;
    waiting = setTimeout(() => {
      waiting = null;
      said.replaceChildren(element("p", { className: "problem" }, "The kernel does not answer. If it was stopped, run this notebook again: what you chose is saved."));
    }, KERNEL_MS);
    model.send({ key, number: model.get("shown").number });
  }
  function show() {
    clearTimeout(waiting);
    waiting = null;
    const now = model.get("shown");
    for (const [box, value] of [[prompt, now.prompt], [first, now.first], [second, now.second]]) {
      text(box, value);
      box.scrollTop = 0;
    }
    for (const box of [prompt, two]) box.style.visibility = now.prompt || now.first || now.second ? "" : "hidden";
    const focused = document.activeElement?.dataset?.key;
    keys.replaceChildren(...now.keys.map(([key, name, enabled]) => {
      const button = element("button", { type: "button", disabled: !enabled }, element("kbd", {}, key), ` ${name}`);
      button.dataset.key = key;
      button.onclick = () => send(key);
      return button;
    }));
    const button = focused && keys.querySelector(`[data-key="${CSS.escape(focused)}"]:enabled`);
    if (focused) (button || root).focus({ preventScroll: true });
    const lines = [["problem", now.problem], ["opinion", now.opinion]].filter(([, value]) => value);
    said.replaceChildren(...lines.map(([className, value]) => shown("p", value, { className })));
    state.replaceChildren(listening, visible(now.state));
    heard();
  }
  function heard() {
    listening.textContent = root.contains(document.activeElement) ? "Keys are heard. " : "Point here, and keys are heard. ";
  }
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    const known = model.get("shown").keys.find(([name]) => name === key);
    if (!known) return;
    event.preventDefault();
    event.stopPropagation();
    if (known[2] && !event.repeat) send(key);
  };
  root.addEventListener("keydown", pressed);
  root.addEventListener("focusin", heard);
  root.addEventListener("focusout", () => setTimeout(heard));
  root.addEventListener("pointerenter", take);
  const seen = new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) take(); });
  seen.observe(root);
  model.on("change:shown", show);
  show();
  return () => {
    seen.disconnect();
    clearTimeout(waiting);
    model.off("change:shown", show);
  };
}

export default { render };
