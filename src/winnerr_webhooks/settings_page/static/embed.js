// For the product's own page: keeps each frame of the settings page as tall as its content.
//
// A frame gets the event "webhooks:signed-out" when its session has ended; event.detail.path is the
// page to open again, for `path` of portal-sessions.

(() => {
  const own = new URL(document.currentScript.src).origin;

  const frames = () => [...document.querySelectorAll("iframe[src]")].filter((frame) => frame.src.startsWith(`${own}/`));

  const greet = (frame) => frame.contentWindow?.postMessage({ type: "webhooks:hello" }, own);

  addEventListener("message", (event) => {
    if (event.origin !== own || event.data?.type !== "webhooks:page") return;
    const frame = frames().find((one) => one.contentWindow === event.source);
    if (!frame) return;
    const { height, path, signedOut } = event.data;
    if (!Number.isFinite(height)) return;
    const border = getComputedStyle(frame).boxSizing === "border-box" ? frame.offsetHeight - frame.clientHeight : 0;
    frame.style.height = `${height + border}px`;
    if (!signedOut || frame.dataset.webhooksSignedOut) return;
    frame.dataset.webhooksSignedOut = "true"; // a page says it again whenever its height changes
    frame.dispatchEvent(new CustomEvent("webhooks:signed-out", { detail: { path }, bubbles: true }));
  });

  // A frame loads each page that is opened in it; the top of a new page should be in view.
  const loaded = (frame) => {
    delete frame.dataset.webhooksSignedOut;
    greet(frame);
    if (frame.dataset.webhooksLoaded && frame.getBoundingClientRect().top < 0) frame.scrollIntoView();
    frame.dataset.webhooksLoaded = "true";
  };
  document.addEventListener("load", (event) => { if (frames().includes(event.target)) loaded(event.target); }, true);
  if (document.readyState === "complete") frames().forEach(greet);
  else addEventListener("load", () => frames().forEach(greet));
})();
