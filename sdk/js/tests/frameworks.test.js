// The helpers read the raw body right in the real frameworks, and answer well.

import assert from "node:assert/strict";
import { createServer, request as httpRequest } from "node:http";
import { after, test } from "node:test";

import { Webhook } from "@winnerr/webhooks-sdk";
import * as forExpress from "@winnerr/webhooks-sdk/express";
import * as forFastify from "@winnerr/webhooks-sdk/fastify";
import * as forFetch from "@winnerr/webhooks-sdk/fetch";
import { sign } from "@winnerr/webhooks-sdk/testing";
import express from "express";
import express4 from "express4";
import fastify4 from "fastify4";
import { Hono } from "hono";

import { listen } from "./scripted_api.js";

const SECRET = `whsec_${"A".repeat(43)}=`;
const webhook = new Webhook(SECRET);
const GOOD = await sign("contact.created", SECRET);
const TEST = await sign("contact.created", SECRET, { test: true });
const NON_ASCII = await sign(
  {
    event: "contact.created",
    timestamp: "2025-01-15T14:23:00Z",
    organizationId: "o",
    data: { name: "Zoë 木村" },
  },
  SECRET,
);
const BAD = await sign("contact.created", "another secret");
const NO_EVENT = await sign(new TextEncoder().encode("[]"), SECRET);
const [NODE_MAJOR] = process.versions.node.split(".").map(Number);
const stops = [];

after(async () => {
  for (const stop of stops) await stop();
});

async function serve(app) {
  const server = createServer(app);
  stops.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return listen(server);
}

async function post(url, { body, headers }) {
  const answer = await fetch(url, { method: "POST", body, headers });
  return [answer.status, await answer.text()];
}

/** What each framework's route does with a verified event. */
function answerOf(event) {
  if (event.test) throw new Error("a mistake of the receiver");
  return event.data.name;
}

function plainNode() {
  return serve(
    forExpress.receives(webhook, async (event, request, response) => {
      if (request.url === "/nothing") return;
      response.end(answerOf(event));
    }),
  );
}

function expressApp(framework, ...middleware) {
  return () => {
    const app = framework();
    for (const one of middleware) app.use(one);
    const handle = (event, request, response) => {
      if (request.path !== "/nothing") response.send(answerOf(event));
    };
    app.post(["/hook", "/nothing"], forExpress.receives(webhook, handle));
    app.all("/other", forExpress.receives(webhook, handle));
    app.use(framework.json());
    app.post("/json", (request, response) => response.json(request.body));
    app.use((error, request, response, next) => response.status(500).send(error.message));
    return serve(app);
  };
}

function keepRaw(request, response, body) {
  request.rawBody = body;
}

function fastifyApp(framework) {
  return async () => {
    const app = framework();
    const handle = async (event) => answerOf(event);
    app.register(forFastify.receives(webhook, handle), { prefix: "/hook" });
    app.register(
      forFastify.receives(webhook, () => {}),
      { prefix: "/nothing" },
    );
    app.post("/json", async (request) => request.body);
    app.post("/parsed", async (request) => forFastify.verify(webhook, request));
    stops.push(() => app.close());
    return app.listen({ port: 0, host: "127.0.0.1" });
  };
}

/** Serve a handler of fetch by Node.js, as adapters of Hono and Next.js do. */
function serveFetch(handler) {
  return serve(async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const { method, headers } = incoming;
    const request = new Request(`http://localhost${incoming.url}`, {
      method,
      headers,
      body: Buffer.concat(chunks),
    });
    try {
      const answer = await handler(request);
      outgoing.writeHead(answer.status, Object.fromEntries(answer.headers));
      outgoing.end(await answer.text());
    } catch (error) {
      outgoing.writeHead(500).end(error.message);
    }
  });
}

const byFetch = forFetch.receives(webhook, async (event, request) => {
  if (!request.url.endsWith("/nothing")) return new Response(answerOf(event));
});

function honoApp() {
  const app = new Hono();
  app.post("/hook", (context) => byFetch(context.req.raw));
  app.post("/nothing", (context) => byFetch(context.req.raw));
  app.post("/json", async (context) => context.json(await context.req.json()));
  return serveFetch((request) => app.fetch(request));
}

/** Next.js calls the export POST of a route with a Request and a context. */
function nextRoute() {
  const route = { POST: byFetch };
  return serveFetch((request) => route.POST(request, { params: Promise.resolve({}) }));
}

const FRAMEWORKS = {
  "node:http": plainNode,
  "Express 5": expressApp(express),
  "Express 4": expressApp(express4),
  "Express 5 after raw()": expressApp(express, express.raw({ type: "*/*", limit: "1mb" })),
  "Express 4 after text()": expressApp(express4, express4.text({ type: "*/*", limit: "1mb" })),
  "Express 5 after json() that keeps the raw body": expressApp(
    express,
    express.json({ limit: "1mb", verify: keepRaw }),
  ),
  "Fastify 4": fastifyApp(fastify4),
  Hono: honoApp,
  "a route of Next.js": nextRoute,
};
if (NODE_MAJOR >= 20) FRAMEWORKS["Fastify 5"] = fastifyApp((await import("fastify")).default);
else test("Fastify 5", { skip: "it needs Node.js 20" }, () => {});

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  test(name, async (t) => {
    const url = await start();

    await t.test("a genuine request reaches the handler", async () => {
      assert.deepEqual(await post(`${url}/hook`, GOOD), [200, "Jane Smith"]);
      assert.deepEqual(await post(`${url}/hook`, NON_ASCII), [200, "Zoë 木村"]);
    });

    await t.test("a handler that says nothing is answered 204", async () => {
      assert.deepEqual(await post(`${url}/nothing`, GOOD), [204, ""]);
    });

    await t.test("a request that is not genuine is answered with the reason in words", async () => {
      const [status, text] = await post(`${url}/hook`, BAD);
      assert.equal(status, 401);
      assert.match(text, /does not match/);
      const unsigned = { body: GOOD.body, headers: { "Content-Type": "application/json" } };
      assert.match((await post(`${url}/hook`, unsigned)).join(" "), /401 .*neither/);
      assert.match((await post(`${url}/hook`, NO_EVENT)).join(" "), /422 .*not a JSON object/);
    });

    await t.test("a mistake of the handler is answered 500", async () => {
      t.mock.method(console, "error", () => {});
      assert.equal((await post(`${url}/hook`, TEST))[0], 500);
    });

    await t.test("a body of 256 KiB is read", async () => {
      const data = { x: "é".repeat(128 * 1024 - 100) };
      const large = await sign(
        { event: "a.b", timestamp: "2025-01-15T14:23:00Z", organizationId: "o", data },
        SECRET,
      );
      assert.equal((await post(`${url}/nothing`, large))[0], 204);
    });

    await t.test("other routes parse their bodies as before", async (t) => {
      if (["node:http", "a route of Next.js"].includes(name) || /raw\(\)|text\(\)/.test(name))
        return t.skip("has none");
      const body = '{"a":1}';
      const headers = { "Content-Type": "application/json" };
      assert.deepEqual(await post(`${url}/json`, { body, headers }), [200, body]);
    });
  });
}

test("a raw body that json() has taken is an error that says what to do", async () => {
  for (const framework of [express, express4]) {
    const url = await expressApp(framework, framework.json())();
    const [status, text] = await post(`${url}/hook`, GOOD);
    assert.equal(status, 500);
    assert.match(text, /raw body is gone.*express\.json\(\{ verify/);
  }
});

test("a body that Fastify parsed is an error that says what to do", async () => {
  const url = await fastifyApp(fastify4)();
  assert.match((await post(`${url}/parsed`, GOOD)).join(" "), /500 .*raw body is gone.*receives/);
});

test("a helper for Node.js takes POST only", async () => {
  const url = await expressApp(express)();
  const answer = await fetch(`${url}/other`);
  assert.deepEqual([answer.status, answer.headers.get("allow")], [405, "POST"]);
});

test("a body that is larger than any event is answered 413, and the connection is closed", async () => {
  const url = await plainNode();
  const answered = new Promise((resolve, reject) => {
    const outgoing = httpRequest(`${url}/hook`, { method: "POST" }, resolve);
    outgoing.on("error", reject);
    outgoing.write(Buffer.alloc(1024 * 1024 + 1)); // and never ends
  });
  const answer = await answered;
  assert.deepEqual([answer.statusCode, answer.headers.connection], [413, "close"]);
  answer.destroy();
});

test("a request that broke off before the helper was called is an error", async () => {
  const broken = new Promise((resolve) => {
    createServer((request) => request.once("close", () => resolve(request))).listen(0, function () {
      stops.push(() => new Promise((done) => this.close(done)));
      const headers = { "Content-Length": "100" };
      const outgoing = httpRequest({ port: this.address().port, method: "POST", headers });
      outgoing.on("error", () => {});
      outgoing.write("{", () => outgoing.destroy());
    });
  });
  await assert.rejects(forExpress.verify(webhook, await broken), /broke off|gone/);
});

test("a request that breaks off does not stop the server", async (t) => {
  const logged = t.mock.method(console, "error", () => {});
  const url = await plainNode();
  await new Promise((resolve) => {
    const outgoing = httpRequest(`${url}/hook`, {
      method: "POST",
      headers: { "Content-Length": "100" },
    });
    outgoing.on("error", resolve);
    outgoing.write("{", () => outgoing.destroy(new Error("broken off")));
  });
  assert.deepEqual(await post(`${url}/hook`, GOOD), [200, "Jane Smith"]);
  assert.ok(logged.mock.callCount() <= 1);
});
