"use strict";

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  const data = document.getElementById("answers-data");
  if (data) viewAnswers(document.getElementById("answers-viewer"), JSON.parse(data.textContent).panels, document, "../cells");
});
