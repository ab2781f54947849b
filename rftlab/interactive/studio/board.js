// The grid of cells: a button each, with a mark for its state beside the colour, and one cell in full below it.
// Whatever a model, a library or a file has written is set as textContent and never becomes markup.

const MARKS = { waiting: "·", running: "▶", done: "✓", failed: "✗", skipped: "–", damaged: "!" };
const MAY = { running: ["skip"], waiting: ["skip"], failed: ["retry", "skip"], skipped: ["retry"], damaged: [] };
const SAYS = { skip: "Skip (s)", retry: "Retry (r)" };

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function percent(share) {
  return share === null || share === undefined ? "" : String(Math.round(100 * share));
}

function stateOf(model, id) {
  const [kind, share, said] = model.get("states")[id] ?? ["waiting", null, ""];
  return { kind, share, said };
}

function paint(button, spot, state) {
  const { kind, share, said } = state;
  const drawn = JSON.stringify([kind, share, said]);
  if (button.dataset.drawn === drawn) return;
  button.dataset.drawn = drawn;
  button.dataset.kind = kind;
  button.style.setProperty("--share", share ?? 0);
  button.textContent = MARKS[kind] + (percent(share) && ` ${percent(share)}`);
  const value = share === null || share === undefined ? "" : ` ${percent(share)} %`;
  button.title = `${spot.label}: ${kind}${value}${said ? `, ${said}` : ""}`;
  button.setAttribute("aria-label", button.title);
}

function drawTable(model, buttons) {
  const { rows, columns, spots } = model.get("places");
  const table = element("table");
  const head = element("tr", {}, element("th", { scope: "col", text: "labels" }));
  for (const name of columns) head.append(element("th", { scope: "col", text: name }));
  table.append(element("thead", {}, head));
  const body = element("tbody");
  const boxes = rows.map((name) => {
    const line = element("tr", {}, element("th", { scope: "row", text: name }));
    const found = columns.map(() => element("div", { class: "seeds" }));
    for (const box of found) line.append(element("td", {}, box));
    body.append(line);
    return found;
  });
  buttons.clear();
  for (const [id, label, row, column] of spots) {
    const button = element("button", { type: "button", tabindex: "-1", class: "cell" });
    buttons.set(id, { button, spot: { id, label } });
    boxes[row][column].append(button);
    paint(button, { id, label }, stateOf(model, id));
  }
  table.append(body);
  return table;
}

// The button that an arrow key leads to: along the rows, or the nearest one in the row above or below.
function neighbour(root, from, key) {
  const all = [...root.querySelectorAll("button.cell")];
  const at = all.indexOf(from);
  if (key === "ArrowRight" || key === "ArrowLeft") return all[at + (key === "ArrowRight" ? 1 : -1)];
  if (key === "Home" || key === "End") return key === "Home" ? all[0] : all[all.length - 1];
  const here = from.getBoundingClientRect();
  const down = key === "ArrowDown";
  const beyond = all
    .map((button) => ({ button, box: button.getBoundingClientRect() }))
    .filter(({ box }) => (down ? box.top >= here.bottom - 1 : box.bottom <= here.top + 1));
  const distance = ({ box }) => 4 * Math.abs(box.top - here.top) + Math.abs(box.left - here.left);
  return beyond.sort((a, b) => distance(a) - distance(b))[0]?.button;
}

function drawSamples(samples) {
  const table = element("table", { class: "samples" });
  const head = ["", "prompt", "completion", "extracted", "answer"].map((text) => element("th", { scope: "col", text }));
  table.append(element("thead", {}, element("tr", {}, ...head)));
  const body = element("tbody");
  for (const [prompt, completion, extracted, answer, reward] of samples) {
    const right = reward >= 1 ? "✓ right" : reward > 0 ? `${reward.toFixed(2)} partly` : "✗ wrong";
    const texts = [prompt, completion, extracted, answer].map((text) => element("td", {}, element("pre", { text })));
    body.append(element("tr", {}, element("td", { text: right }), ...texts));
  }
  table.append(body);
  return table;
}

function drawDetail(model, panel, ask, close) {
  const { id, label, facts, curve, samples, log } = model.get("shown");
  panel.replaceChildren();
  panel.hidden = !id;
  if (!id) return;
  const state = stateOf(model, id);
  const title = `${label}: ${MARKS[state.kind]} ${state.kind}`;
  panel.append(element("h4", { text: title }));
  const row = element("div", { class: "acts" });
  for (const act of MAY[state.kind] ?? []) {
    const button = element("button", { type: "button", text: SAYS[act] });
    button.addEventListener("click", () => ask(act, id));
    row.append(button);
  }
  const away = element("button", { type: "button", text: "Close (Esc)" });
  away.addEventListener("click", close);
  row.append(away);
  panel.append(row);
  if (state.said && state.kind !== "done") panel.append(element("p", { text: state.said }));
  const list = element("dl");
  for (const [name, value] of facts) list.append(element("div", {}, element("dt", { text: name }), element("dd", { text: value })));
  panel.append(list);
  if (curve) panel.append(element("img", { alt: `how ${label} trained`, src: `data:image/png;base64,${curve}` }));
  if (samples.length) {
    const items = element("div", { class: "items", tabindex: "0", role: "group", "aria-label": "test items" });
    items.append(drawSamples(samples));
    panel.append(element("h5", { text: `the first ${samples.length} test items` }), items);
  }
  if (log) panel.append(element("h5", { text: "log" }), element("pre", { class: "log", text: log }));
}

function legend() {
  const line = element("p", { class: "legend" });
  for (const [kind, mark] of Object.entries(MARKS)) {
    line.append(element("span", { class: "cell", "data-kind": kind, text: mark }), ` ${kind}  `);
  }
  const how = "Numbers are percent: accuracy of what is done, steps of what trains. Arrow keys move, Enter opens.";
  line.append(element("br"), how);
  return line;
}

function render({ model, el }) {
  // JupyterLab's own shortcuts (r makes a cell raw, arrows leave it) rest while the focus is in here.
  const quiet = { "data-lm-suppress-shortcuts": "true", "data-jp-suppress-context-menu": "true" };
  const root = element("div", { class: "rftlab-board", ...quiet });
  const frame = element("div", { class: "frame", role: "group", "aria-label": "cells of the study" });
  const panel = element("section", { class: "detail", "aria-label": "the cell that was chosen" });
  const buttons = new Map();
  const ask = (act, id) => model.send({ do: act, cell: id });
  const select = (id) => {
    model.set("selected", id);
    model.save_changes();
  };
  const focusable = (button) => {
    for (const each of buttons.values()) each.button.tabIndex = -1;
    if (button) button.tabIndex = 0;
  };
  const idOf = (button) => [...buttons].find(([, each]) => each.button === button)?.[0];
  const close = () => {
    const last = buttons.get(model.get("selected"));
    select("");
    last?.button.focus();
  };
  const rebuild = () => {
    const focused = idOf(root.ownerDocument.activeElement);
    frame.replaceChildren(drawTable(model, buttons));
    const first = buttons.get(focused) ?? [...buttons.values()][0];
    focusable(first?.button);
    if (focused) first?.button.focus();
  };
  const repaint = () => {
    for (const [id, { button, spot }] of buttons) paint(button, spot, stateOf(model, id));
    drawPanel();
  };
  // Drawn anew only where something changed, so that the focus and the scrolling in it stay.
  let drawn = "";
  const drawPanel = () => {
    const { id } = model.get("shown");
    const now = JSON.stringify([model.get("shown"), id ? stateOf(model, id) : null]);
    if (now === drawn) return;
    drawn = now;
    // What runs changes every second: the button that somebody is on, and how far the log was read, stay.
    const active = root.ownerDocument.activeElement;
    const held = panel.contains(active) ? active.textContent : "";
    const read = panel.querySelector("pre.log")?.scrollTop ?? 0;
    drawDetail(model, panel, ask, close);
    if (held) [...panel.querySelectorAll("button")].find((each) => each.textContent === held)?.focus();
    const log = panel.querySelector("pre.log");
    if (log) log.scrollTop = read;
    for (const [each, { button }] of buttons) button.setAttribute("aria-pressed", String(each === id));
  };
  frame.addEventListener("click", (event) => {
    const button = event.target.closest("button.cell");
    if (!button) return;
    focusable(button);
    select(idOf(button));
  });
  frame.addEventListener("keydown", (event) => {
    const button = event.target.closest("button.cell");
    if (!button || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { s: "skip", r: "retry" }[event.key];
    const kind = button.dataset.kind;
    if (act && (MAY[kind] ?? []).includes(act)) ask(act, idOf(button));
    else if (/^(Arrow|Home|End)/.test(event.key)) {
      const next = neighbour(frame, button, event.key);
      if (next) {
        focusable(next);
        next.focus();
      }
    } else return;
    event.preventDefault();
  });
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && model.get("selected")) close();
  });
  rebuild();
  drawPanel();
  model.on("change:places", rebuild);
  model.on("change:states", repaint);
  model.on("change:shown", drawPanel);
  root.append(frame, legend(), panel);
  el.append(root);
  return () => {
    model.off("change:places", rebuild);
    model.off("change:states", repaint);
    model.off("change:shown", drawPanel);
  };
}

export default { render };
