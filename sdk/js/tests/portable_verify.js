// Verification, on every runtime: all shared vectors, and what JavaScript alone can get wrong.

import {
  PayloadError,
  VerificationError,
  Webhook,
  isEvent,
  isKnownEvent,
} from "@winnerr/webhooks-sdk";
import { receives } from "@winnerr/webhooks-sdk/fetch";
import { sign } from "@winnerr/webhooks-sdk/testing";
import { check, equal, fails, isTrue } from "./check.js";

const SECRET = `whsec_${"A".repeat(43)}=`;

async function verifyVector(vector, headers = vector.headers) {
  const { tolerance, options, now } = vector;
  const webhook = new Webhook(vector.secrets, { tolerance, ...options });
  return webhook.verify(bytesOf(vector), headers, { now });
}

function bytesOf(vector) {
  return Uint8Array.from(atob(vector.body), (character) => character.charCodeAt(0));
}

async function checkVector(vector, headers) {
  const { expect } = vector;
  if (!expect.ok) {
    const kind = expect.reason
      ? VerificationError
      : expect.error === "invalid_payload"
        ? PayloadError
        : RangeError;
    const error = await fails(() => verifyVector(vector, headers), kind);
    equal(error.reason, expect.reason);
    for (const secret of vector.secrets)
      isTrue(!secret || !error.message.includes(secret), "hidden");
    return;
  }
  const event = await verifyVector(vector, headers);
  for (const key of ["id", "event", "timestamp", "organizationId"])
    equal(event[key], expect[key], key);
  const { signedAt } = event.headers;
  equal(signedAt && signedAt.getTime() / 1000, expect.signedAt);
  equal(event.data, JSON.parse(expect.data));
  equal(event.body, bytesOf(vector));
}

/** Add a check for each vector: with pairs, and with the Headers of fetch where it can hold them. */
export function checkVectors(vectors) {
  check("there are vectors", () => isTrue(vectors.length > 150));
  for (const vector of vectors) {
    check(`vector ${vector.name}: ${vector.description}`, () => checkVector(vector));
    let headers;
    try {
      headers = new Headers(vector.headers);
    } catch {
      continue; // no such request can reach a receiver that uses fetch
    }
    check(`vector ${vector.name}, by Headers`, () => checkVector(vector, headers));
  }
}

async function good(options) {
  return sign("contact.created", SECRET, options);
}

check("numbers that JavaScript would change are kept as text", async () => {
  const data =
    '{"amount":1.10,"huge":1e400,"big":12345678901234567890,"zero":-0.0,"text":"1.10 \\"2\\\\","list":[1.0]}';
  const body = new TextEncoder().encode(
    `{"event":"deal.created","timestamp":"2025-01-15T14:23:00Z","organizationId":"org_1","data":${data}}`,
  );
  const signed = await sign(body, SECRET);
  const { exactData } = await new Webhook(SECRET).verify(signed.body, signed.headers);
  equal(exactData, {
    amount: "1.10",
    huge: "1e400",
    big: "12345678901234567890",
    zero: "-0.0",
    text: '1.10 "2\\',
    list: ["1.0"],
  });
});

check("a body is taken as bytes of every kind, and as the text it was", async () => {
  const payload = {
    event: "a.b",
    timestamp: "2025-01-15T14:23:00Z",
    organizationId: "o",
    data: { n: "Zoë 木村 😀" },
  };
  const { body, headers } = await sign(payload, SECRET);
  const padded = new Uint8Array([1, ...body, 2]);
  const bodies = [
    body,
    body.slice().buffer,
    padded.subarray(1, -1),
    new DataView(padded.buffer, 1, body.length),
    new TextDecoder().decode(body),
  ];
  for (const one of bodies)
    equal((await new Webhook(SECRET).verify(one, headers)).data, payload.data);
});

check("what was parsed is a TypeError that says where the raw body is", async () => {
  const { body, headers } = await good();
  const parsed = JSON.parse(new TextDecoder().decode(body));
  for (const one of [parsed, {}, null, undefined, 1, [123]]) {
    await fails(() => new Webhook(SECRET).verify(one, headers), TypeError, /raw bytes.*express/);
  }
});

check("a body that is changed during its verification is verified as it was", async () => {
  const { body, headers } = await good();
  const verified = new Webhook(SECRET).verify(body, headers);
  body.fill(0);
  equal((await verified).data.name, "Jane Smith");
});

check("headers are taken as Node.js, fetch and pairs give them", async () => {
  const { body, headers } = await good({
    attempt: 3,
    test: true,
    deliveryId: "dlv_1",
    eventId: "evt_1",
  });
  const lower = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const kinds = [
    headers,
    { ...lower, cookie: undefined, "set-cookie": ["a", "b"] },
    new Headers(headers),
    new Map(Object.entries(headers)),
    Object.entries(headers).map(([name, value]) => [name, [value]]),
  ];
  for (const one of kinds) {
    const event = await new Webhook(SECRET).verify(body, one);
    equal([event.id, event.deliveryId, event.test], ["evt_1", "dlv_1", true]);
    equal([event.headers.attempt, event.headers.webhookId], [3, "wh_test"]);
  }
  const twice = { ...lower, "webhook-id": ["evt_1", "evt_1"] };
  const error = await fails(() => new Webhook(SECRET).verify(body, twice), VerificationError);
  equal(error.reason, "malformed_header");
  await fails(() => new Webhook(SECRET).verify(body, undefined), TypeError, /headers/);
});

check("a wrong clock is told by how much", async () => {
  const { body, headers } = await good({ signedAt: 1_000_000 });
  const verify = (now) => new Webhook(SECRET, { tolerance: 10 }).verify(body, headers, { now });
  await fails(() => verify(1_000_011), VerificationError, /11 s ago/);
  await fails(() => verify(999_980), VerificationError, /20 s ahead/);
  equal((await fails(() => verify(NaN), VerificationError)).reason, "too_new");
});

check("now is the time of this machine", async () => {
  const signed = await good();
  const event = await new Webhook(SECRET).verify(signed.body, signed.headers);
  isTrue(Math.abs(event.headers.signedAt.getTime() - Date.now()) < 60_000);
  const old = await good({ signedAt: Date.now() / 1000 - 400 });
  await fails(
    () => new Webhook(SECRET).verify(old.body, old.headers),
    VerificationError,
    /tolerance/,
  );
});

check("a Webhook that cannot be right is an error at once", async () => {
  const make =
    (...values) =>
    () =>
      new Webhook(...values);
  await fails(make(undefined), TypeError, /undefined.*set/);
  await fails(make([undefined]), TypeError);
  await fails(make("secret \ud800 half"), RangeError, /surrogate/);
  await fails(make(SECRET, { tolerance: -1 }), RangeError, /tolerance/);
  await fails(make(SECRET, { tolerance: NaN }), RangeError, /tolerance/);
  await fails(make(SECRET, { tolerance: "300" }), RangeError, /tolerance/);
  for (const signatureFormat of ["", "sha256=", "{hex}{hex}", "{hex}{base64}"]) {
    await fails(make(SECRET, { signatureFormat }), RangeError, /signatureFormat/);
  }
});

check("neither the secret nor the body shows when objects are printed", async () => {
  const signed = await good();
  const webhook = new Webhook(SECRET);
  const event = await webhook.verify(signed.body, signed.headers);
  equal(JSON.parse(JSON.stringify(webhook)), {});
  equal(Object.keys(event), ["event", "timestamp", "organizationId", "data", "headers"]);
});

check("events are told apart, and a new one is kept", async () => {
  const signed = await good();
  const known = await new Webhook(SECRET).verify(signed.body, signed.headers);
  isTrue(
    isKnownEvent(known) && isEvent(known, "contact.created") && !isEvent(known, "deal.created"),
  );
  const payload = {
    event: "robot.sold",
    timestamp: "2025-01-15T14:23:00Z",
    organizationId: "o",
    data: { __proto__: null, a: 1 },
  };
  const other = await sign(payload, SECRET);
  const unknown = await new Webhook(SECRET).verify(other.body, other.headers);
  isTrue(!isKnownEvent(unknown));
  equal(unknown.data, { a: 1 });
});

check("a signed body with a byte order mark is no payload", async () => {
  const { body } = await good();
  const marked = await sign(new Uint8Array([0xef, 0xbb, 0xbf, ...body]), SECRET);
  await fails(() => new Webhook(SECRET).verify(marked.body, marked.headers), PayloadError, /JSON/);
});

check("a time that no calendar has is no payload", async () => {
  for (const timestamp of [
    "2025-02-30T00:00:00Z",
    "2025-01-15",
    "2025-01-15T14:23:00+00:00",
    "now",
  ]) {
    const signed = await sign({ event: "a.b", timestamp, organizationId: "o", data: {} }, SECRET);
    await fails(
      () => new Webhook(SECRET).verify(signed.body, signed.headers),
      PayloadError,
      /time/,
    );
  }
});

check("requests are signed as during a rotation, and by other names", async () => {
  const rotated = await sign("deal.closed_won", "the old secret", { nextSecret: "the new secret" });
  for (const secret of ["the old secret", "the new secret"]) {
    await new Webhook(secret).verify(rotated.body, rotated.headers);
    const { "X-Winnerr-Signature": own, "X-Winnerr-Signature-Next": next } = rotated.headers;
    const alone = { "X-Winnerr-Signature": own, "X-Winnerr-Signature-Next": next };
    equal((await new Webhook(secret).verify(rotated.body, alone)).id, null);
  }
  const names = {
    headerPrefix: "X-Globex-",
    signatureHeader: "X-Hub",
    signatureFormat: "v0={base64}",
  };
  const renamed = await sign("deal.closed_won", SECRET, { ...names, deliveryId: "dlv_9" });
  const { "X-Hub": hub, "X-Globex-Delivery": delivery } = renamed.headers;
  const event = await new Webhook(SECRET, names).verify(renamed.body, {
    "x-hub": hub,
    "X-GLOBEX-DELIVERY": delivery,
  });
  equal(event.deliveryId, "dlv_9");
  await fails(() => sign("robot.sold", SECRET), RangeError, /whole payload/);
  await fails(() => sign("toString", SECRET), RangeError, /whole payload/);
});

// --- fetch requests: Next.js, Hono, Deno, Bun, Workers ---

const POST = receives(new Webhook(SECRET), async (event, request) => {
  if (event.test) throw new Error("a mistake of the receiver");
  if (new URL(request.url).pathname === "/nothing") return;
  return new Response(event.data.name);
});

async function post(body, headers, path = "/hook") {
  const answer = await POST(
    new Request(`https://example.com${path}`, { method: "POST", body, headers }),
  );
  return [answer.status, await answer.text()];
}

check("a genuine fetch request reaches the handler", async () => {
  const { body, headers } = await good();
  equal(await post(body, headers), [200, "Jane Smith"]);
  equal(await post(body, headers, "/nothing"), [204, ""]);
});

check("letters beyond ASCII arrive by fetch", async () => {
  const payload = {
    event: "contact.created",
    timestamp: "2025-01-15T14:23:00Z",
    organizationId: "o",
    data: { name: "Zoë 木村" },
  };
  const { body, headers } = await sign(payload, SECRET);
  equal(await post(body, headers), [200, "Zoë 木村"]);
});

check("a fetch request that is not genuine is answered with the reason in words", async () => {
  const { body } = await good();
  const other = await sign("contact.created", "another secret");
  const [status, text] = await post(other.body, other.headers);
  isTrue(status === 401 && text.includes("does not match"), text);
  const [unsigned, why] = await post(body, {});
  isTrue(unsigned === 401 && why.includes("neither"), why);
  const array = await sign(new TextEncoder().encode("[]"), SECRET);
  const [unusable, problem] = await post(array.body, array.headers);
  isTrue(unusable === 422 && problem.includes("not a JSON object"), problem);
  equal((await post(undefined, {}))[0], 401);
});

check("a fetch body that is larger than any event is not read", async () => {
  equal((await post(new Uint8Array(1024 * 1024 + 1), {}))[0], 413);
  equal((await post(new Uint8Array(1024 * 1024), {}))[0], 401);
});

check("a handler of fetch takes POST only, and passes other errors on", async () => {
  const answer = await POST(new Request("https://example.com/hook"));
  equal([answer.status, answer.headers.get("allow")], [405, "POST"]);
  const { body, headers } = await good({ test: true });
  await fails(() => post(body, headers), Error, /a mistake of the receiver/);
  const request = new Request("https://example.com", { method: "POST", body, headers });
  await request.json();
  await fails(() => POST(request), Error, /raw body is gone/);
});
