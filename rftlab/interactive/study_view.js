// A page of its own within the notebook's: neither's style reaches the other. The matrix is HTML whose names were
// escaped where it was made; completions are text nodes.
function render({ model, el }) {
  const host = element("div");
  host.setAttribute("data-lm-suppress-shortcuts", "true");
  const inside = host.attachShadow({ mode: "open" });
  const page = element("div", { className: "page" });
  page.innerHTML = model.get("matrix");
  const { panels, notes } = model.get("answers");
  const said = `Greedy answers to test items, of one seed${notes.length ? `; ${notes.join("; ")}` : ""}. Keys j and k go through the items.`;
  const viewer = element("div", { className: "answers-viewer" });
  if (panels.length) page.append(element("h2", {}, "The answers"), element("p", {}, visible(said)), viewer);
  inside.append(element("style", {}, model.get("look")), page);
  page.querySelectorAll("table.sortable").forEach(makeSortable);
  if (panels.length) viewAnswers(viewer, panels, viewer, "");
  el.append(host);
}

export default { render };
