// Functions that the other scripts share.

const base = document.body.dataset.base;
const csrf = document.body.dataset.csrf ?? "";

/** Announces a text to screen readers, without interrupting them. */
export function announce(text) {
  const region = document.getElementById("announce");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = text; });
}

/** Posts a form and returns the JSON answer, or null when the request failed. */
export async function post(path, fields) {
  try {
    const answer = await fetch(base + path, {
      method: "POST",
      headers: { "X-Part": "json" },
      body: new URLSearchParams({ csrf, ...fields }),
    });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** Returns the HTML of a page, or of the named part of it; null when the request failed. */
export async function fetchHtml(url, part) {
  try {
    const answer = await fetch(url, { headers: part ? { "X-Part": part } : {} });
    return answer.ok ? await answer.text() : null;
  } catch {
    return null;
  }
}

/** Parses HTML that this server has rendered and escaped. */
export function nodesOf(text) {
  const template = document.createElement("template");
  template.innerHTML = text;
  return template.content;
}
