// Pointing at an arm puts the others behind it; on paper everything folded away is open.
document.querySelectorAll("figure svg").forEach((svg) => {
  const arms = [...svg.querySelectorAll('[id^="arm."]')];
  const name = (part) => part.id.split(".").slice(1, -1).join(".");
  const show = (target) => {
    const chosen = target.closest('[id^="arm."]');
    svg.classList.toggle("behind", Boolean(chosen));
    arms.forEach((part) => part.classList.toggle("ahead", Boolean(chosen) && name(part) === name(chosen)));
  };
  svg.addEventListener("pointerover", (event) => show(event.target));
  svg.addEventListener("pointerleave", () => show(svg));
});
let folded = [];
window.addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach((each) => { each.open = true; });
});
window.addEventListener("afterprint", () => folded.forEach((each) => { each.open = false; }));
