/* The word after a comparison whose answer is known: shown in place of the comparison until the person goes on. */

import { Unreachable, fragment } from "./client.js";

/** Show it in `place` and wait for the person; what cannot be fetched is passed over, for the judgement is kept. */
export async function showFeedback(place, judgement) {
  let html;
  try {
    const answer = await fragment(place.dataset.feedback, { judgement });
    if (!answer.ok) return;
    html = answer.html;
  } catch (error) {
    if (error instanceof Unreachable) return;
    throw error;
  }
  place.innerHTML = html;
  scrollTo({ top: 0 });
  const button = place.querySelector("[data-go-on]");
  button.focus({ preventScroll: true });
  await new Promise((resolve) => button.addEventListener("click", resolve, { once: true }));
}
