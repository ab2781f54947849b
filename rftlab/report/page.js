"use strict";
// What models wrote reaches the page as text nodes alone, never as markup.

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  const data = document.getElementById("answers-data");
  if (data) viewAnswers(document.getElementById("answers-viewer"), JSON.parse(data.textContent).panels);
});

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Characters that are not seen (NUL, marks that turn the direction of text, ...) are named: they may be the trick.
function visible(text) {
  const name = (sign) => `⟨U+${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
  return text.replace(/(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, name);
}

// A text, or [head, characters left out, tail].
function shown(tag, text, properties) {
  const box = element(tag, { dir: "auto", ...properties });
  if (typeof text === "string") box.append(visible(text));
  else box.append(visible(text[0]), element("i", { className: "left-out" }, ` … ${text[1].toLocaleString("en")} characters left out … `), visible(text[2]));
  return box;
}

function fill(select, names, chosen) {
  select.replaceChildren(...names.map((name, value) => element("option", { value }, name)));
  select.selectedIndex = chosen;
}

function viewAnswers(viewer, panels) {
  const part = (name) => viewer.querySelector(`[data-part="${name}"]`);
  const [panelBox, leftBox, rightBox, filterBox] = ["panel", "left", "right", "filter"].map(part);
  const isRight = (reward) => reward >= 1;
  const isPart = (reward) => reward > 0 && reward < 1;
  const plain = [
    ["all", () => true],
    ["left wrong, right right", (left, right) => !isRight(left) && isRight(right)],
    ["left right, right wrong", (left, right) => isRight(left) && !isRight(right)],
    ["both wrong", (left, right) => !isRight(left) && !isRight(right)],
    ["both right", (left, right) => isRight(left) && isRight(right)],
    ["they disagree", (left, right) => isRight(left) !== isRight(right)],
  ];
  const graded = [
    ["right has more reward", (left, right) => right > left],
    ["left has more reward", (left, right) => left > right],
  ];
  let panel, filters, item = 0;

  const arms = () => [panel.arms[leftBox.selectedIndex], panel.arms[rightBox.selectedIndex]];
  function matching([, passes], all) {
    const [left, right] = arms().map((arm) => arm.rows);
    const numbers = [...panel.items.keys()];
    return numbers.filter((n) => (left[n] && right[n] ? passes(left[n][1], right[n][1]) : all));
  }

  function openPanel() {
    panel = panels[panelBox.selectedIndex];
    const partly = panel.arms.some((arm) => arm.rows.some((row) => row && isPart(row[1])));
    filters = partly ? [...plain, ...graded] : plain;
    filterBox.selectedIndex = Math.min(filterBox.selectedIndex, filters.length - 1);
    const names = panel.arms.map((arm) => arm.name);
    fill(leftBox, names, panel.left);
    fill(rightBox, names, panel.right);
    item = 0;
    chooseArms();
  }
  function chooseArms() {
    const counts = filters.map((filter, n) => `${filter[0]} (${matching(filter, n === 0).length})`);
    fill(filterBox, counts, Math.max(filterBox.selectedIndex, 0));
    show(0);
  }
  function show(step) {
    const numbers = matching(filters[filterBox.selectedIndex], filterBox.selectedIndex === 0);
    const now = numbers.indexOf(item);
    const at = now < 0 ? 0 : (now + step + numbers.length) % numbers.length;
    part("count").textContent = numbers.length ? `${at + 1} of ${numbers.length}` : "no such item";
    if (!numbers.length) return part("item").replaceChildren();
    item = numbers[at];
    const [id, prompt, gold] = panel.items[item];
    part("item").replaceChildren(
      element("p", { className: "soft" }, `item ${visible(id)}, seed ${panel.seed}`),
      shown("pre", prompt, { className: "prompt" }),
      element("p", {}, "gold answer: ", shown("b", gold)),
      element("div", { className: "pair" }, ...arms().map((arm) => answer(arm, arm.rows[item]))),
    );
  }

  function answer(arm, row) {
    const links = arm.files.map((file) => element("a", { href: `../cells/${encodeURIComponent(arm.cell)}/${file}` }, file));
    const [word, kind] = !row ? ["not kept", ""] : isRight(row[1]) ? ["✓ right", "is-right"] : isPart(row[1]) ? ["◐ in part", "is-part"] : ["✗ wrong", "is-wrong"];
    const box = element("article", { className: kind });
    box.append(element("h3", {}, element("span", { className: "verdict" }, word), ` · ${arm.name}`));
    if (row) {
      const [completion, reward, read, values, tokens, notes] = row;
      const parts = arm.parts.map((name, n) => `${name} ${values[n] ?? "–"}`).join(", ");
      const facts = element("p", { className: "soft" }, `reward ${reward}${parts ? ` (${visible(parts)})` : ""}; `);
      facts.append(...(read === null ? ["no answer was read"] : ["read as ", shown("b", read)]), tokens === null ? "" : `; ${tokens} tokens`);
      notes.forEach((note) => facts.append("; ", shown("span", note)));
      box.append(shown("pre", completion, { className: "completion" }), facts);
      if (arm.before.length)
        box.append(element("details", {}, element("summary", {}, "before this prompt it was shown"), shown("pre", arm.before)));
    }
    box.append(element("p", { className: "soft" }, `cell ${arm.cell}: `, ...links.flatMap((link) => [link, " "])));
    return box;
  }

  fill(panelBox, panels.map((each) => each.name), 0);
  panelBox.onchange = openPanel;
  leftBox.onchange = rightBox.onchange = chooseArms;
  filterBox.onchange = () => show(0);
  part("previous").onclick = () => show(-1);
  part("next").onclick = () => show(1);
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea") || event.ctrlKey || event.metaKey || event.altKey;
    const step = { j: 1, k: -1 }[event.key];
    if (typing || !step) return;
    event.preventDefault();
    show(step);
  });
  openPanel();
  viewer.hidden = false;
}

function makeSortable(table) {
  const body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = (cell.dataset.value ?? cell.textContent).trim();
    const number = Number(text.replace(/[%,\s]/g, ""));
    return text === "" ? null : Number.isNaN(number) ? text : number;
  };
  const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = element("button", { type: "button", className: "sort" }, ...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const keyed = [...body.rows].map((row) => [value(row, column), row]);
      keyed.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : sign * order(a, b)));
      body.append(...keyed.map(([, row]) => row));
    };
  });
  if (!table.classList.contains("filterable")) return;
  const box = element("input", { type: "search", placeholder: "for example: sft 100" });
  const count = element("span", { className: "soft" });
  count.setAttribute("role", "status");
  box.oninput = () => {
    const words = box.value.toLowerCase().split(/\s+/);
    const rows = [...body.rows];
    rows.forEach((row) => { row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word)); });
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  };
  const bar = element("p", { className: "table-filter" }, element("label", {}, "Only rows with ", box), " ", count);
  (table.closest(".scroll") ?? table).before(bar);
}
