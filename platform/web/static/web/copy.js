/* Buttons with data-copy="#id" copy that element's text, and say so. */

import { toast } from "./toast.js";

export function startCopyButtons() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.querySelector(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      toast(gettext("Copied."), "success");
    } catch {
      getSelection().selectAllChildren(source);
      toast(gettext("Press Ctrl+C to copy the marked text."));
    }
  });
}
