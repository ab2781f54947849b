// Heads of columns that sort, and a field that filters rows.
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
