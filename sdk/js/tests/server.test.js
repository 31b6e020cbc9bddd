// Against the real server: what the emitter sends is accepted, and what arrives is verified.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { EmitError, Emitter, Refused, Webhook } from "@winnerr/webhooks-sdk";
import { receives } from "@winnerr/webhooks-sdk/express";

import { listen } from "./scripted_api.js";
import { NO_SERVER, REPOSITORY, SERVER_PYTHON, Service } from "./service.js";

const JANE = { id: "contact_xyz", name: "Zoë 木村" };
const options = { skip: NO_SERVER };
let service;

before(async () => {
  if (NO_SERVER) return;
  service = new Service();
  await service.start();
});
after(() => service?.stop());

function emitter(key = service.key, settings = {}) {
  return new Emitter(service.url, key, settings);
}

test("an event is accepted and kept as it was", options, async () => {
  const happenedAt = new Date("2025-01-15T15:23:00+01:00");
  const first = await emitter().emit("contact.created", "org_1", JANE, { happenedAt });
  assert.deepEqual(first, { id: first.id, duplicate: false, deliveries: 0 });
  const kept = await service.call("GET", `/api/v1/organizations/org_1/events/${first.id}`);
  const payload = typeof kept.body === "string" ? JSON.parse(kept.body) : kept;
  assert.deepEqual(payload.data, JANE);
  assert.equal(payload.timestamp, "2025-01-15T14:23:00Z");
});

test("the same id is accepted once", options, async () => {
  const first = await emitter().emit("contact.created", "org_1", JANE, { id: "crm-1" });
  const again = await emitter().emit("contact.created", "org_1", JANE, { id: "crm-1" });
  assert.deepEqual(again, { ...first, duplicate: true });
  const other = emitter().emit("contact.created", "org_1", { id: "other" }, { id: "crm-1" });
  await assert.rejects(other, (error) => error instanceof Refused && error.status === 409);
});

test("a wrong event is refused with its pointer", options, async () => {
  await assert.rejects(emitter().emit("contact.creatd", "org_1", JANE), (error) => {
    assert.equal(error.status, 422);
    assert.equal(error.errors[0].pointer, "/event");
    assert.match(error.message, /contact\.created/);
    return error instanceof Refused;
  });
});

test("a wrong key is refused, also for a large batch", options, async () => {
  const isUnauthorized = (error) => error instanceof Refused && error.status === 401;
  await assert.rejects(emitter("whk_wrong").emit("contact.created", "org_1", JANE), isUnauthorized);
  const large = Array(30).fill({
    event: "contact.created",
    organization: "org_1",
    data: { x: "y".repeat(200_000) },
  });
  await assert.rejects(emitter("whk_wrong", { retryFor: 2 }).emitMany(large), EmitError);
});

test("a key of another organization is refused event by event", options, async () => {
  const own = emitter(service.newKey("--organization", "org_1"));
  const event = { event: "contact.created", data: JANE };
  const [good, bad] = await own.emitMany([
    { ...event, organization: "org_1" },
    { ...event, organization: "org_2" },
  ]);
  assert.match(good.id, /^evt_/);
  assert.equal(bad.status, 403);
});

test("more than a batch is sent in several", options, async () => {
  const events = Array.from({ length: 2_500 }, (_, n) => ({
    event: "contact.created",
    organization: "org_many",
    data: { n },
  }));
  events[1_700] = { event: "nothing.known", organization: "org_many", data: {} };
  const results = await emitter().emitMany(events);
  const refused = results.flatMap((one, n) => (one instanceof EmitError ? [n] : []));
  assert.deepEqual(refused, [1_700]);
  assert.equal(new Set(results.map(({ id }) => id)).size, 2_500);
});

test("large events are cut into batches by their bytes", options, async () => {
  const event = {
    event: "contact.created",
    organization: "org_big",
    data: { x: "y".repeat(250_000) },
  };
  const results = await emitter().emitMany(Array(50).fill(event));
  assert.ok(results.every(({ id }) => id.startsWith("evt_")));
});

test(
  "what is emitted arrives, with its digits, and is verified; also replayed and tested",
  options,
  async () => {
    const secret = "a secret for tests, with Zoë 木村";
    const received = [];
    const failed = [];
    let answered = () => {};
    const handle = (event) => void received.push(event);
    const receiver = createServer(
      receives(new Webhook(secret, { requireTimestamp: true }), handle),
    );
    receiver.on("request", (request, response) => {
      response.on("finish", () => {
        if (response.statusCode !== 204) failed.push(response.statusCode);
        answered();
      });
    });
    const url = await listen(receiver);
    const next = (count) =>
      new Promise((resolve) => {
        answered = () => received.length >= count && resolve();
        answered();
      });
    const path = "/api/v1/organizations/org_hook/webhooks";
    const webhook = await service.call("POST", path, { url, events: ["*"], secret });
    const { id } = await emitter().emit(
      "deal.created",
      "org_hook",
      '{"amount":1.10,"name":"Zoë 木村"}',
    );
    await next(1);
    await service.call("POST", `${path}/${webhook.id}/test`, { event: "contact.created" });
    await next(2);
    const [first, tested] = received;
    await service.call(
      "POST",
      `/api/v1/organizations/org_hook/deliveries/${first.deliveryId}/replay`,
    );
    await next(3);
    const replayed = received[2];
    assert.equal(first.id, id);
    assert.equal(first.exactData.amount, "1.10");
    assert.equal(first.data.name, "Zoë 木村");
    assert.deepEqual(
      [first.headers.attempt, first.headers.webhookId, first.test],
      [1, webhook.id, false],
    );
    assert.deepEqual(
      [tested.event, tested.test, tested.data.name],
      ["contact.created", true, "Jane Smith"],
    );
    assert.deepEqual([replayed.deliveryId, replayed.headers.attempt], [first.deliveryId, 2]);
    assert.deepEqual(failed, []);
    receiver.closeAllConnections();
    await new Promise((resolve) => receiver.close(resolve));
  },
);

test("a restart of the server goes unnoticed", options, async () => {
  const own = new Service();
  await own.start();
  const patient = new Emitter(own.url, own.key, { retryFor: 120 });
  await patient.emit("contact.created", "org_1", JANE);
  await own.end("SIGKILL");
  const [accepted] = await Promise.all([
    patient.emit("contact.created", "org_1", JANE),
    own.start(),
  ]);
  assert.equal(accepted.duplicate, false);
  await own.stop();
});

test("the examples are those of the catalogue", options, () => {
  const script = fileURLToPath(new URL("../make_examples.py", import.meta.url));
  const env = { ...process.env, PYTHONPATH: `${REPOSITORY}/src` };
  execFileSync(SERVER_PYTHON, [script, "--check"], { env });
});
