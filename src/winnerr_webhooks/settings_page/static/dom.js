// What the other modules share.

const base = document.body.dataset.base;
const csrf = document.body.dataset.csrf ?? "";

/** Says something to screen readers, politely. */
export function announce(text) {
  const place = document.getElementById("announce");
  place.textContent = "";
  requestAnimationFrame(() => { place.textContent = text; });
}

/** Posts a small form and gives the JSON answer; null when it could not be had. */
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

/** Fetches a page's HTML (or a part of it); null when it could not be had. */
export async function fetchHtml(url, part) {
  try {
    const answer = await fetch(url, { headers: part ? { "X-Part": part } : {} });
    return answer.ok ? await answer.text() : null;
  } catch {
    return null;
  }
}

/** Makes nodes of HTML that this server rendered, and escaped. */
export function nodesOf(text) {
  const template = document.createElement("template");
  template.innerHTML = text;
  return template.content;
}
