/*
 * Requests to the server from the comparison page: CSRF token, JSON, and patience with a bad connection.
 *
 * A request that got no answer, or a 5xx, is sent again; all of ours may be (drafts overwrite, judgements carry an
 * Idempotency-Key, skipping twice skips once). Other answers are the caller's: {ok, status, data, now}, with data null
 * where it is no JSON, and the server's own time, because computers' clocks differ.
 */

const RETRY_DELAYS_MS = [400, 1200, 3000];

export class Unreachable extends Error {}

/** Send `body` as JSON. `options`: {headers, retry: false for background work, keepalive: true while leaving}. */
export async function send(method, url, body, { headers = {}, retry = true, keepalive = false } = {}) {
  const response = await patiently(retry, () =>
    fetch(url, {
      method,
      keepalive,
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": csrfToken(), ...headers },
      body: JSON.stringify(body),
    }),
  );
  const text = await response.text();
  const now = Date.parse(response.headers.get("Date")) || Date.now();
  return { ok: response.ok, status: response.status, data: parsed(text), now };
}

/** Ask for a fragment of HTML. */
export async function fragment(url, fields = {}, { retry = true, signal } = {}) {
  const response = await patiently(retry, () =>
    fetch(url, {
      method: "POST",
      credentials: "same-origin",
      headers: { "X-CSRFToken": csrfToken() },
      body: new URLSearchParams(fields),
      signal,
    }),
  );
  return { ok: response.ok && !response.redirected, status: response.redirected ? 401 : response.status, html: await response.text() };
}

async function patiently(retry, request) {
  for (const delay of retry ? [...RETRY_DELAYS_MS, null] : [null]) {
    let response = null;
    try {
      response = await request();
    } catch (error) {
      if (error.name === "AbortError") throw error;
    }
    if (response && response.status < 500) return response;
    if (delay === null) throw new Unreachable(response ? interpolate(gettext("The server answered %s."), [response.status]) : gettext("The server cannot be reached."));
    await new Promise((resolve) => setTimeout(resolve, delay));
  }
  return null;
}

/** From the cookie, which is right also after a new login in another tab; the page's own where scripts see no cookie. */
function csrfToken() {
  const cookie = document.cookie.split("; ").find((part) => part.startsWith("csrftoken="));
  return cookie ? cookie.slice("csrftoken=".length) : JSON.parse(document.body.getAttribute("hx-headers"))["x-csrftoken"];
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
