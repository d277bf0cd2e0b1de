/* The eight-step scale: keys 1 to 8, from "left significantly better" to "right significantly better". */

const STRENGTHS = ["significantly_better", "better", "slightly_better", "marginally_better"];

/** What key `number` (1 to 8) says: {preferred, strength}, or null for any other number. */
export function choiceOfKey(number) {
  if (!Number.isInteger(number) || number < 1 || number > 8) return null;
  return number <= 4
    ? { preferred: "left", strength: STRENGTHS[number - 1] }
    : { preferred: "right", strength: STRENGTHS[8 - number] };
}

/** The key that says `choice`, or null where nothing is chosen. */
export function keyOfChoice({ preferred, strength }) {
  const level = STRENGTHS.indexOf(strength);
  if (level < 0 || (preferred !== "left" && preferred !== "right")) return null;
  return preferred === "left" ? level + 1 : 8 - level;
}
