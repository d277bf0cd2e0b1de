/* The keyboard of the gate's comparisons: 1, 2 and 3 press the buttons that name them, once. */

const form = document.querySelector("#verdict");

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const button = form.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!button || form.dataset.sent) return;
  event.preventDefault();
  button.click();
});

form.addEventListener("submit", (event) => {
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
