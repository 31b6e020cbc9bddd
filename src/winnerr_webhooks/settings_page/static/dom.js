// Functions that the other scripts share.

const base = document.body.dataset.base;
const csrf = document.body.dataset.csrf ?? "";

/** Announces a text to screen readers, without interrupting them. */
export function announce(text) {
  const region = document.getElementById("announce");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = text; });
}

/** Posts fields, an object or pairs, and returns the JSON answer, or null when the request failed. */
export async function post(path, fields) {
  const answer = await send(path, fields, "json");
  return answer ? JSON.parse(answer) : null;
}

/** Posts fields and returns the HTML answer, or null when the request failed. */
export async function postForHtml(path, fields) {
  return send(path, fields, "html");
}

async function send(path, fields, part) {
  const body = new URLSearchParams(fields);
  body.set("csrf", csrf);
  try {
    const answer = await fetch(base + path, { method: "POST", headers: { "X-Part": part }, body });
    return answer.ok ? await answer.text() : null;
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
