/* What each version of the guidelines changed, word by word; without scripts the whole version stands there. */

import { countChanges, wordDiff } from "./diff.js";
import { marked } from "./marked.js";

for (const version of document.querySelectorAll("article:has([data-difference])")) {
  const { before, after } = JSON.parse(version.querySelector("script[type='application/json']").textContent);
  const parts = wordDiff(before, after);
  const { added, removed } = countChanges(parts);
  version.querySelector("[data-difference]").replaceChildren(...marked(parts));
  version.querySelector("[data-changes]").textContent = `+${added} −${removed}`;
}
