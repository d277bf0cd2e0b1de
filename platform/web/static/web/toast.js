/* Short messages at the bottom: Django's own when a page loads, and toast() for what scripts have to say. */

const SHOWN_MS = 6000;

/** Show `text`; `level` is info, success, warning or error. Errors stay until dismissed. */
export function toast(text, level = "info") {
  const element = document.createElement("div");
  element.className = "toast";
  element.dataset.level = level;
  const sentence = document.createElement("p");
  sentence.textContent = text;
  element.append(sentence);
  document.getElementById("toasts").append(element);
  tend(element);
  return element;
}

export function startToasts() {
  for (const element of document.querySelectorAll("#toasts > .toast")) tend(element);
}

function tend(element) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "icon-button toast-close";
  button.setAttribute("aria-label", gettext("Dismiss"));
  button.textContent = "×";
  button.addEventListener("click", () => element.remove());
  element.append(button);
  if (element.dataset.level === "error") return;
  let timer = setTimeout(() => element.remove(), SHOWN_MS);
  element.addEventListener("pointerenter", () => clearTimeout(timer));
  element.addEventListener("pointerleave", () => {
    timer = setTimeout(() => element.remove(), SHOWN_MS);
  });
}
