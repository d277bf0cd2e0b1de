/*
 * The comparison that comes next, fetched while the person is still at another: it is there at once.
 *
 * The server keeps a place for it under a lease of its own. What ran out (a laptop slept) is not shown: others have it.
 */

import { Unreachable, fragment } from "./client.js";

const READING_MS = 1000;
const SHORTEST_MS = 5000;

export class Ahead {
  constructor(url) {
    this.url = `${url}?ahead=1`;
    this.html = null;
    this.end = 0;
    this.timer = 0;
  }

  /** Fetch it once the person has begun to read. */
  fetchSoon() {
    this.drop();
    this.timer = setTimeout(() => this.fetch(), READING_MS);
  }

  drop() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.html = null;
  }

  /** The rendered comparison, with the seconds that are left of its lease; null where there is none. */
  take() {
    const { html } = this;
    const left = this.end - Date.now();
    this.drop();
    if (html === null || left < SHORTEST_MS) return null;
    const content = parsed(html);
    content.querySelector("[data-comparison]").dataset.seconds = Math.round(left / 1000);
    return content;
  }

  async fetch() {
    const { timer } = this;
    try {
      const { ok, html } = await fragment(this.url, {}, { retry: false });
      const root = ok && parsed(html).querySelector("[data-comparison]");
      if (!root || this.timer !== timer) return;
      this.end = Date.now() + 1000 * Number(root.dataset.seconds);
      this.html = html;
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
    }
  }
}

/** HTML as nodes that are not yet on the page. */
export function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}
