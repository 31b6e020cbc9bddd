// The code blocks of the README work.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import { sign } from "@winnerr/webhooks-sdk/testing";

import { listen } from "./scripted_api.js";

const SECRET = "a secret for tests";
const PACKAGE = fileURLToPath(new URL("../", import.meta.url));
const text = readFileSync(join(PACKAGE, "README.md"), "utf-8");
const [FIRST, ...BLOCKS] = [...text.matchAll(/```js\n(.*?)```/gs)].map(([, block]) => block);
const folder = mkdtempSync(join(PACKAGE, "tests/readme-")); // inside, so that packages are found
const NODE_MAJOR = Number(process.versions.node.split(".")[0]);
const NAMES = [
  "express",
  "fastify",
  "next",
  "hono",
  "workers",
  "anywhere",
  "rotate",
  "sign",
  "emit",
];

process.env.WINNERR_WEBHOOK_SECRET = SECRET;
after(() => rmSync(folder, { recursive: true }));

async function load(name) {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, BLOCKS[NAMES.indexOf(name)]);
  return import(pathToFileURL(file));
}

async function signedRequest(secret = SECRET) {
  return new Request("http://localhost/hooks/winnerr", {
    method: "POST",
    ...(await sign("contact.created", secret)),
  });
}

test("each block has its test", () => assert.equal(BLOCKS.length, NAMES.length));

test("the first block receives a request", async () => {
  const probe = createServer();
  const url = await listen(probe);
  await new Promise((resolve) => probe.close(resolve));
  const file = join(folder, "receiver.mjs");
  // A line that says when it listens is the only thing that the block does not have.
  writeFileSync(file, FIRST.replace("?? 3000)", "?? 3000, () => console.log('listening'))"));
  const env = { ...process.env, PORT: new URL(url).port };
  const child = spawn(process.execPath, [file], { env, stdio: ["ignore", "pipe", "inherit"] });
  let written = "";
  const saw = (words) =>
    new Promise((resolve) => {
      const look = () => written.includes(words) && resolve();
      child.stdout.on("data", look);
      look();
    });
  child.stdout.on("data", (chunk) => (written += chunk));
  await saw("listening");
  const post = async (secret) => {
    const { body, headers } = await sign("contact.created", secret);
    return (await fetch(`${url}/hooks/winnerr`, { method: "POST", body, headers })).status;
  };
  assert.equal(await post(SECRET), 204);
  assert.equal(await post("another secret"), 401);
  await saw("Jane Smith <jane@example.com>");
  child.kill();
});

test("the block of Express answers with the event's id", async () => {
  const { app } = await load("express");
  const server = createServer(app);
  const url = await listen(server);
  const { body, headers } = await sign("contact.created", SECRET, { eventId: "evt_1" });
  const answer = await fetch(`${url}/hooks/winnerr`, { method: "POST", body, headers });
  assert.deepEqual(await answer.json(), { received: "evt_1" });
  server.closeAllConnections();
  server.close();
});

test(
  "the block of Fastify receives",
  { skip: NODE_MAJOR < 20 && "Fastify 5 needs Node.js 20" },
  async (t) => {
    t.mock.method(console, "log", () => {});
    const { app } = await load("fastify");
    const { body, headers } = await sign("contact.created", SECRET);
    const answer = await app.inject({
      method: "POST",
      url: "/hooks/winnerr",
      payload: Buffer.from(body),
      headers,
    });
    assert.equal(answer.statusCode, 204);
    await app.close();
  },
);

test("the blocks of Next.js, Hono and Workers receive", async (t) => {
  t.mock.method(console, "log", () => {});
  const { POST } = await load("next");
  const { default: hono } = await load("hono");
  const { default: worker } = await load("workers");
  const waited = [];
  const context = { waitUntil: (promise) => waited.push(promise) };
  const fetches = [POST, hono.fetch, (request) => worker.fetch(request, process.env, context)];
  for (const one of fetches) {
    assert.equal((await one(await signedRequest())).status, 204);
    assert.equal((await one(await signedRequest("another secret"))).status, 401);
  }
  assert.equal(waited.length, 1);
});

test("the block for anywhere else refuses with its reason", async (t) => {
  const log = t.mock.method(console, "log", () => {});
  const { receive } = await load("anywhere");
  const [good, bad] = [
    await sign("contact.created", SECRET),
    await sign("contact.created", "another secret"),
  ];
  assert.equal(await receive(good.body, good.headers), 204);
  assert.equal(await receive(bad.body, bad.headers), 401);
  assert.equal(log.mock.calls[1].arguments[0], "no_match");
});

test("the blocks about secrets, tests and the emitter load", async () => {
  for (const name of ["rotate", "sign", "emit"]) await load(name);
});
