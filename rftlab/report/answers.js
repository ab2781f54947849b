// Completions of test items, arm beside arm, in `viewer`; keys j and k step through the items while `keys` hears them.
// `panels` is what rftlab.report.viewer.samples returns; `files` is the address of the folder of cells, "" for no links.
function viewAnswers(viewer, panels, keys, files) {
  const made = (tag, name, properties, ...children) => {
    const box = element(tag, properties, ...children);
    box.dataset.part = name;
    return box;
  };
  const [panelBox, leftBox, rightBox, filterBox] = ["panel", "left", "right", "filter"].map((name) => made("select", name));
  const [previous, next] = [["previous", "← previous (k)"], ["next", "next (j) →"]].map(([name, text]) => made("button", name, { type: "button" }, text));
  const [count, itemBox] = [made("span", "count"), made("div", "item")];
  count.setAttribute("role", "status");
  const named = [["task and prompt ", panelBox], ["left ", leftBox], ["right ", rightBox], ["show ", filterBox]];
  const controls = element("div", { className: "answers-controls" }, ...named.map(([text, box]) => element("label", {}, text, box)), previous, next, count);
  viewer.replaceChildren(controls, itemBox);
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
    count.textContent = numbers.length ? `${at + 1} of ${numbers.length}` : "no such item";
    if (!numbers.length) return itemBox.replaceChildren();
    item = numbers[at];
    const [id, prompt, gold] = panel.items[item];
    itemBox.replaceChildren(
      element("p", { className: "soft" }, `item ${visible(id)}, seed ${panel.seed}`),
      shown("pre", prompt, { className: "prompt" }),
      element("p", {}, "gold answer: ", shown("b", gold)),
      element("div", { className: "pair" }, ...arms().map((arm) => answer(arm, arm.rows[item]))),
    );
  }

  function answer(arm, row) {
    const links = (files ? arm.files : []).map((file) => element("a", { href: `${files}/${encodeURIComponent(arm.cell)}/${file}` }, file));
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
    box.append(element("p", { className: "soft" }, `cell ${arm.cell}${links.length ? ": " : ""}`, ...links.flatMap((link) => [link, " "])));
    return box;
  }

  fill(panelBox, panels.map((each) => each.name), 0);
  panelBox.onchange = openPanel;
  leftBox.onchange = rightBox.onchange = chooseArms;
  filterBox.onchange = () => show(0);
  previous.onclick = () => show(-1);
  next.onclick = () => show(1);
  keys.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea") || event.ctrlKey || event.metaKey || event.altKey;
    const step = { j: 1, k: -1 }[event.key];
    if (typing || !step) return;
    event.preventDefault();
    show(step);
  });
  openPanel();
  viewer.hidden = false;
}
