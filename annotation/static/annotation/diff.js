/*
 * The difference between two texts, word by word: what one's edit changed.
 *
 * wordDiff(before, after) gives [{kind: "same" | "removed" | "added", text}] whose "same" and "removed" texts join
 * to `before` and whose "same" and "added" texts join to `after`. Scripts written without spaces are compared by
 * the character. The search is Myers' O(ND) algorithm (An O(ND) Difference Algorithm and Its Variations, 1986).
 */

const MAX_CHANGES = 1000;

const UNSPACED = String.raw`[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}]`;
const WORD = new RegExp(String.raw`${UNSPACED}\p{M}*|(?:(?!${UNSPACED})[\p{L}\p{M}\p{N}_])+|\s+|[^]`, "gu");

export function wordDiff(before, after, maxChanges = MAX_CHANGES) {
  const left = words(before);
  const right = words(after);
  const start = commonStart(left, right);
  const end = commonEnd(left, right, start);
  const middle = changes(left.slice(start, left.length - end), right.slice(start, right.length - end), maxChanges);
  return joined(
    whole([
      { kind: "same", text: left.slice(0, start).join("") },
      ...middle,
      { kind: "same", text: left.slice(left.length - end).join("") },
    ]),
  );
}

/** How many words a difference removes and adds; white space and punctuation do not count. */
export function countChanges(parts) {
  const counts = { removed: 0, added: 0 };
  for (const { kind, text } of parts) {
    if (kind !== "same") counts[kind] += words(text).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
  }
  return counts;
}

function words(text) {
  return text.match(WORD) ?? [];
}

function commonStart(left, right) {
  const limit = Math.min(left.length, right.length);
  let length = 0;
  while (length < limit && left[length] === right[length]) length += 1;
  return length;
}

function commonEnd(left, right, start) {
  const limit = Math.min(left.length, right.length) - start;
  let length = 0;
  while (length < limit && left[left.length - 1 - length] === right[right.length - 1 - length]) length += 1;
  return length;
}

/** The shortest edit script, or all removed and all added where that would take more than `maxChanges`. */
function changes(left, right, maxChanges) {
  const frontiers = search(left, right, maxChanges);
  if (!frontiers) {
    return [
      { kind: "removed", text: left.join("") },
      { kind: "added", text: right.join("") },
    ];
  }
  return walkBack(left, right, frontiers);
}

/**
 * Myers' forward search: the furthest x on each diagonal after 0, 1, 2, … changes. Frontier number `changed` holds the
 * diagonals from -changed - 1 to changed + 1, as they were before that many changes; null after `maxChanges`.
 */
function search(left, right, maxChanges) {
  const limit = Math.min(left.length + right.length, maxChanges);
  const furthest = new Int32Array(2 * limit + 3);
  const origin = limit + 1;
  const frontiers = [];
  for (let changed = 0; changed <= limit; changed += 1) {
    const reached = furthest.slice(origin - changed - 1, origin + changed + 2);
    frontiers.push(reached);
    for (let diagonal = -changed; diagonal <= changed; diagonal += 2) {
      const at = diagonal + changed + 1;
      let x = goesDown(reached, diagonal, changed) ? reached[at + 1] : reached[at - 1] + 1;
      while (x < left.length && x - diagonal < right.length && left[x] === right[x - diagonal]) x += 1;
      furthest[origin + diagonal] = x;
      if (x >= left.length && x - diagonal >= right.length) return frontiers;
    }
  }
  return null;
}

function goesDown(reached, diagonal, changed) {
  if (diagonal === -changed) return true;
  if (diagonal === changed) return false;
  const at = diagonal + changed + 1;
  return reached[at - 1] < reached[at + 1];
}

/** From the end of both texts back to their start, along the frontiers. */
function walkBack(left, right, frontiers) {
  const parts = [];
  let x = left.length;
  let y = right.length;
  for (let changed = frontiers.length - 1; changed >= 0; changed -= 1) {
    const reached = frontiers[changed];
    const diagonal = x - y;
    const down = goesDown(reached, diagonal, changed);
    const previous = down ? diagonal + 1 : diagonal - 1;
    const fromX = reached[previous + changed + 1];
    const fromY = fromX - previous;
    while (x > fromX && y > fromY) {
      x -= 1;
      y -= 1;
      parts.push({ kind: "same", text: left[x] });
    }
    if (changed > 0) parts.push(down ? { kind: "added", text: right[fromY] } : { kind: "removed", text: left[fromX] });
    x = fromX;
    y = fromY;
  }
  return parts.reverse();
}

/** A space that stayed between two changed words belongs to the change: "old words" to "new text", not word for word. */
function whole(parts) {
  return parts.flatMap((part, at) => {
    const isBetween = parts[at - 1] && parts[at + 1] && parts[at - 1].kind !== "same" && parts[at + 1].kind !== "same";
    if (part.kind !== "same" || !isBetween || !/^[ \t]+$/.test(part.text)) return [part];
    return [
      { kind: "removed", text: part.text },
      { kind: "added", text: part.text },
    ];
  });
}

/** Neighbours of one kind become one part; inside a change what was removed comes before what was added. */
function joined(parts) {
  const result = [];
  let removed = "";
  let added = "";
  const flush = () => {
    if (removed) result.push({ kind: "removed", text: removed });
    if (added) result.push({ kind: "added", text: added });
    removed = added = "";
  };
  for (const { kind, text } of parts) {
    if (!text) continue;
    if (kind === "removed") removed += text;
    else if (kind === "added") added += text;
    else {
      flush();
      const last = result.at(-1);
      if (last?.kind === "same") last.text += text;
      else result.push({ kind, text });
    }
  }
  flush();
  return result;
}
