/*
 * The keyboard of the page on which people judge documents: K, D and U press the verdicts, once; 1 to 9 tick reasons.
 * Ticks outlive a reload until the document is judged.
 */

const form = document.querySelector("#verdict");

if (form) {
  const key = `document-review-${form.dataset.document}`;
  const boxes = [...form.querySelectorAll("[name=reasons]")];
  const ticked = new Set(JSON.parse(sessionStorage.getItem(key) ?? "[]"));
  for (const box of boxes) box.checked = ticked.has(box.value);

  const keep = () => {
    sessionStorage.setItem(key, JSON.stringify(boxes.filter((box) => box.checked).map((box) => box.value)));
  };

  form.addEventListener("change", keep);

  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });

  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || form.dataset.sent) return;
    const pressed = form.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (!pressed) return;
    event.preventDefault();
    pressed.click();
  });

  // A page taken out of the browser's memory by "back" may be sent again: the first verdict stands.
  window.addEventListener("pageshow", () => delete form.dataset.sent);

  document.querySelector("#document-text").focus({ preventScroll: true });
}
