// An API that answers as a scenario says. Scenario and client are the first two parts of the path.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";

const accepted = (id = "evt_1") => ({ id, duplicate: false, deliveries: 2 });
const problem = (status, title, detail, errors) => ({
  type: "about:blank",
  title,
  status,
  detail,
  errors,
});
const busy = problem(503, "Not now", "Later.");

function json(response, status, body, headers = {}) {
  const type = status < 400 ? "application/json" : "application/problem+json";
  response.writeHead(status, { "Content-Type": type, ...headers }).end(JSON.stringify(body));
}

/** Accept one event or a batch, each item by its id. */
function accept({ body, response }) {
  if (!Array.isArray(body)) return json(response, 202, accepted());
  json(response, 202, { results: body.map(({ id }) => accepted(`evt_${id}`)) });
}

function html(status) {
  return ({ response }) =>
    response.writeHead(status, { "Content-Type": "text/html" }).end("<h1>Hello</h1>");
}

/** The answer of the first calls; the rest are accepted. */
function first(count, answer) {
  return (call) => (call.number < count ? answer(call) : accept(call));
}

function busyFor(retryAfter) {
  return ({ response }) =>
    json(response, 503, busy, retryAfter === null ? {} : { "Retry-After": retryAfter });
}

function items(choose) {
  return ({ body, response }) =>
    json(response, 202, { results: body.map((one, index) => choose(one, index, body)) });
}

const refused = { error: problem(422, "Invalid input", "It is wrong.") };
const unauthorized = ({ response }) =>
  json(response, 401, problem(401, "No valid API key", "Give one."));

const SCENARIOS = {
  accepts: accept,
  "accepts-slowly": (call) => setTimeout(accept, 20, call),
  "busy-twice": first(2, (call) => busyFor(call.number === 0 ? "0" : null)(call)),
  "busy-for-a-second": first(1, busyFor("1")),
  "busy-for-an-hour": busyFor("3600"),
  "busy-until-2099": busyFor("Wed, 21 Oct 2099 07:28:00 GMT"),
  "hangs-up": first(1, ({ response }) => response.socket.destroy()),
  "breaks-off": first(1, ({ response }) =>
    response.socket.end("HTTP/1.1 202 Accepted\r\nContent-Length: 500\r\n\r\n{"),
  ),
  "no-http": first(1, ({ response }) => response.socket.end("nonsense\r\n\r\n")),
  silent: first(1, () => {}),
  "always-silent": () => {},
  "silent-after-the-head": first(1, ({ response }) => response.writeHead(202).write("{")),
  refuses: ({ response }) =>
    json(
      response,
      422,
      problem(422, "Invalid input", "It is wrong.", [{ pointer: "/data", message: "Too deep." }]),
    ),
  redirects: ({ request, response }) => response.writeHead(307, { Location: request.url }).end(),
  "html-404": html(404),
  "html-202": html(202),
  "empty-object": ({ response }) => json(response, 202, {}),
  "batch-half-busy": first(
    1,
    items((one, index) => [accepted("evt_0"), { error: busy }, refused, { error: busy }][index]),
  ),
  "batch-first-only": items((one, index, body) =>
    index === 0 && body.length > 1 ? accepted(`evt_${one.id}`) : { error: busy },
  ),
  "batch-then-401": (call) => (call.number === 0 ? accept : unauthorized)(call),
  "always-401": unauthorized,
};

/** A key and a certificate that nobody trusts, by openssl; null where it is not here. */
function makeCertificate() {
  const folder = mkdtempSync(join(tmpdir(), "winnerr-sdk-js-"));
  const words =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost";
  const out = "-addext subjectAltName=DNS:localhost -keyout key -out cert";
  try {
    execFileSync("openssl", `${words} ${out}`.split(" "), { cwd: folder, stdio: "ignore" });
    return { key: readFileSync(join(folder, "key")), cert: readFileSync(join(folder, "cert")) };
  } catch {
    return null;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Start it; how to stop it, and three addresses: its own, of a port where nothing listens, and of a
 * server whose certificate nobody trusts (null without openssl).
 */
export async function startScriptedApi() {
  const seenBy = new Map();
  const server = createServer(async (request, response) => {
    const [, scenario, client, last] = request.url.split("/");
    const seen = seenBy.get(client) ?? [];
    seenBy.set(client, seen);
    if (last === "seen") {
      response.setHeader("Content-Type", "application/json");
      return response.end(JSON.stringify(seen));
    }
    seen.open = (seen.open ?? 0) + 1;
    response.on("close", () => (seen.open -= 1));
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const body = JSON.parse(text);
    const shown = text.length < 1000 ? text : "";
    const kept = Array.isArray(body) ? body.map(({ id }) => ({ id })) : body;
    seen.push({
      method: request.method,
      headers: request.headers,
      body: kept,
      text: shown,
      atOnce: seen.open,
    });
    SCENARIOS[scenario]({ number: seen.length - 1, body, request, response });
  });
  const apiUrl = await listen(server);
  const closed = createServer();
  const closedUrl = await listen(closed);
  await new Promise((resolve) => closed.close(resolve));
  const certificate = makeCertificate();
  const untrusted = certificate && createTlsServer(certificate);
  const untrustedUrl =
    untrusted && (await listen(untrusted)).replace("http://127.0.0.1", "https://localhost");
  const stop = async () => {
    for (const one of [server, untrusted]) {
      one?.closeAllConnections();
      await new Promise((resolve) => (one ? one.close(resolve) : resolve()));
    }
  };
  return { apiUrl, closedUrl, untrustedUrl, stop };
}

/** Listen on a free port of this machine. */
export async function listen(server) {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${server.address().port}`;
}
