// The picture is an image, so that nothing in it can act; what can be pointed at are buttons over it, whose texts are
// text nodes. A change shows the old picture, faded, until the new one is there.
const KERNEL_MS = 8000, SETTLED_MS = 250;

function render({ model, el }) {
  const options = model.get("options");
  const [said, picture, behind] = [["p", "said"], ["div", "picture"], ["section", "behind"]].map(([tag, className]) => element(tag, { className }));
  said.setAttribute("role", "status");
  const image = element("img", { alt: "" }), tip = element("div", { className: "tip", hidden: true });
  tip.setAttribute("role", "tooltip");
  let waiting = null, address = "";

  const chosen = () => model.get("chosen");
  function tell(changes) {
    model.set("chosen", { ...chosen(), ...changes });
    model.save_changes();
    root.classList.add("waiting");
    clearTimeout(waiting);
    waiting = setTimeout(() => { said.textContent = "The kernel does not answer. If it was stopped, run this notebook again."; }, KERNEL_MS);
  }

  function menu(name, text, values) {
    const box = element("select", { onchange: () => tell({ [name]: values[box.selectedIndex][0] }) });
    fill(box, values.map(([, told]) => told), values.findIndex(([value]) => value === chosen()[name]));
    box.dataset.part = name;
    return element("label", {}, text, box);
  }
  function filter([name, text, values]) {
    const boxes = values.map(([value]) => element("input", { type: "checkbox", checked: chosen()[name].includes(value) }));
    const heard = () => tell({ [name]: values.filter((_, n) => boxes[n].checked).map(([value]) => value) });
    boxes.forEach((box) => { box.onchange = heard; });
    const all = element("button", { type: "button", className: "all", title: `all of ${text}, or none` }, "all / none");
    all.onclick = () => {
      const on = !boxes.every((box) => box.checked);
      boxes.forEach((box) => { box.checked = on; });
      heard();
    };
    const labels = values.map(([, told], n) => element("label", {}, boxes[n], ` ${visible(told)}`));
    const made = element("fieldset", {}, element("legend", {}, text, ...(values.length > 2 ? [all] : [])), ...labels);
    made.dataset.part = name;
    return made;
  }
  function save(kind, text) {
    const button = element("button", { type: "button" }, text);
    button.onclick = () => model.send({ file: kind });
    return button;
  }
  const seeds = [["pooled", "pooled, with intervals"], ["single", "one by one"]];
  const menus = [menu("figure", "figure", options.figure), menu("measure", "measure", options.measure), menu("seeds", "seeds", seeds)];
  const files = [["png", "PNG"], ["svg", "SVG"], ["pdf", "PDF"], ["csv", "table (CSV)"]].map(([kind, text]) => save(kind, text));
  const filters = options.filters.filter(([, , values]) => values.length > 1).map(filter);
  const root = element("div", { className: "rftlab-widget rftlab-compare" },
    element("div", { className: "bar" }, ...menus, ...files), element("div", { className: "filters" }, ...filters), said, picture, behind);
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  picture.append(image, tip);
  el.append(root);

  function point(button, lines) {
    tip.replaceChildren(...lines.map((line) => element("p", {}, visible(line))));
    tip.hidden = false;
    const [all, own] = [picture.getBoundingClientRect(), button.getBoundingClientRect()];
    const left = Math.min(Math.max(own.left - all.left + own.width / 2 - tip.offsetWidth / 2, 0), Math.max(all.width - tip.offsetWidth, 0));
    const above = own.top - all.top - tip.offsetHeight - 6;
    Object.assign(tip.style, { left: `${left}px`, top: `${above < 0 ? own.bottom - all.top + 6 : above}px` });
  }
  function show() {
    clearTimeout(waiting);
    root.classList.remove("waiting");
    const view = model.get("view");
    said.textContent = visible(view.said);
    picture.hidden = !view.svg;
    tip.hidden = true;
    picture.querySelectorAll(".mark").forEach((mark) => mark.remove());
    if (address) URL.revokeObjectURL(address);
    address = view.svg ? URL.createObjectURL(new Blob([view.svg], { type: "image/svg+xml" })) : "";
    if (address) image.src = address;
    else image.removeAttribute("src");
    image.alt = visible(`${options.figure.find(([value]) => value === chosen().figure)[1]}: ${view.said}`);
    picture.style.width = `${view.width}px`;
    menus[1].firstElementChild?.toggleAttribute("disabled", ["gap", "ood", "learning"].includes(chosen().figure));
    // Lines across a panel lie under the marks.
    const order = view.marks.map((mark, number) => [mark, number]).sort(([a], [b]) => b[2] - a[2]);
    picture.append(...order.map(([[x, y, wide, high, lines, opens], number]) => {
      const button = element("button", { type: "button", className: `mark${wide > 5 * high * (view.height / view.width) ? " across" : ""}${opens ? " opens" : ""}` });
      Object.assign(button.style, { left: `${100 * x}%`, top: `${100 * y}%`, width: `${100 * wide}%`, height: `${100 * high}%` });
      button.setAttribute("aria-label", visible(lines.join("; ")));
      button.onpointerenter = button.onfocus = () => point(button, opens ? [...lines, "click: completions"] : lines);
      button.onpointerleave = button.onblur = () => { tip.hidden = true; };
      if (opens) button.onclick = () => model.send({ open: number, number: view.number });
      return button;
    }));
  }
  function answered() {
    const { panels, of, none } = model.get("answers");
    if (!of) return;
    const viewer = element("div", { className: "answers-viewer", tabIndex: 0 });
    behind.replaceChildren(element("h4", {}, visible(`Behind ${of}`)), panels.length ? viewer : element("p", {}, visible(none)));
    if (panels.length) viewAnswers(viewer, panels, viewer, "");
    behind.scrollIntoView({ block: "nearest" });
  }
  function sent(content, buffers) {
    if (content.problem) said.textContent = visible(content.problem);
    if (!content.file) return;
    const link = element("a", { download: content.file, href: URL.createObjectURL(new Blob([buffers[0]])) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
  let settling = null;
  const sized = new ResizeObserver(() => {
    clearTimeout(settling);
    settling = setTimeout(() => {
      const room = Math.round((root.clientWidth - 20) / 20) * 20;
      if (room > 0 && Math.abs(room - chosen().width) >= 40 && room !== asked) tell({ width: (asked = room) });
    }, SETTLED_MS);
  });
  let asked = 0;
  sized.observe(root);
  model.on("change:view", show);
  model.on("change:answers", answered);
  model.on("msg:custom", sent);
  show();
  answered();
  return () => {
    sized.disconnect();
    clearTimeout(waiting);
    clearTimeout(settling);
    if (address) URL.revokeObjectURL(address);
  };
}

export default { render };
