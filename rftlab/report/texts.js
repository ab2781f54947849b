// What models wrote reaches a page as text nodes alone, never as markup.

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
