/* The parts of a difference as nodes: text that stayed, and marks for what was added and removed. */

export function marked(parts) {
  return parts.map(({ kind, text }) => {
    if (kind === "same") return document.createTextNode(text);
    const mark = document.createElement(kind === "added" ? "ins" : "del");
    mark.textContent = text;
    return mark;
  });
}
