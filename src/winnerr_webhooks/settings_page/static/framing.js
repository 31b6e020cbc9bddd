// Inside a frame: tells the embedding page, which runs embed.js, how tall this page is.

const ancestors = (document.body.dataset.frameAncestors ?? "").split(" ").filter(Boolean);

function isAllowed(origin) {
  const { protocol, hostname, port } = new URL(origin);
  return ancestors.some((ancestor) => {
    const [scheme, place] = ancestor.split("://");
    const [host, allowedPort] = place.split(":");
    const isDefault = allowedPort === (scheme === "https" ? "443" : "80");
    if (protocol !== `${scheme}:` || port !== (isDefault ? "" : allowedPort ?? "")) return false;
    return host.startsWith("*.") ? hostname.endsWith(host.slice(1).toLowerCase()) : hostname === host.toLowerCase();
  });
}

/** Answers each greeting of an embedding page of FRAME_ANCESTORS, and then every change of height. */
export function answerEmbeddingPage() {
  if (window.parent === window) return;
  let origin = null;
  const tell = () => {
    const height = Math.ceil(document.documentElement.getBoundingClientRect().height);
    window.parent.postMessage({ type: "webhooks:page", height, ...state() }, origin);
  };
  addEventListener("message", (event) => {
    const greets = event.source === window.parent && event.data?.type === "webhooks:hello";
    if (!greets || !isAllowed(event.origin)) return;
    const isFirst = origin === null;
    origin = event.origin;
    document.documentElement.classList.add("framed");
    if (isFirst) new ResizeObserver(tell).observe(document.documentElement);
    else tell();
  });
}

function state() {
  const signedOut = document.querySelector("[data-signed-out]");
  // After a form was sent, the address is not that of a page.
  const path = signedOut?.dataset.signedOut ?? location.pathname + location.search;
  return { path, signedOut: signedOut !== null };
}
