// The emitter, on every runtime, against an API that answers as a scenario says (scripted_api.js).

import { EmitError, Emitter, Refused, Unavailable } from "@winnerr/webhooks-sdk";
import { check, equal, fails, isTrue } from "./check.js";

const JANE = { id: "contact_xyz", name: "Zoë 木村" };

/** Add a check that gets an emitter for a scenario, and what the API saw of it. */
function checkEmit(name, scenario, options, run) {
  check(name, async ({ apiUrl }) => {
    const url = `${apiUrl}/${scenario}/${Math.random()}`;
    const seen = async () => (await fetch(`${url}/seen`)).json();
    await run(new Emitter(`${url}/`, "the key", options), seen);
  });
}

const emitJane = (emitter, options) => emitter.emit("contact.created", "org_1", JANE, options);
const ids = (seen) => seen.map((one) => one.body.id);

checkEmit("an event is sent with its key, id and time", "accepts", {}, async (emitter, seen) => {
  const happenedAt = new Date("2025-01-15T14:23:00.999Z");
  equal(await emitJane(emitter, { id: "crm-1", happenedAt }), {
    id: "evt_1",
    duplicate: false,
    deliveries: 2,
  });
  const [{ method, headers, body }] = await seen();
  equal(
    [method, headers.authorization, headers["content-type"]],
    ["POST", "Bearer the key", "application/json"],
  );
  equal(body, {
    event: "contact.created",
    organizationId: "org_1",
    data: JANE,
    id: "crm-1",
    timestamp: "2025-01-15T14:23:00Z",
  });
});

checkEmit("503 is repeated with the same id", "busy-twice", {}, async (emitter, seen) => {
  equal((await emitJane(emitter)).id, "evt_1");
  const sent = ids(await seen());
  isTrue(sent.length === 3 && new Set(sent).size === 1 && sent[0].length > 20, String(sent));
});

checkEmit(
  "a Retry-After that is too late ends it, with the id",
  "busy-for-an-hour",
  {},
  async (emitter, seen) => {
    const error = await fails(
      () => emitJane(emitter),
      Unavailable,
      /answers 503. Later.*accepted once/,
    );
    equal(ids(await seen()), [error.id]);
  },
);

checkEmit("a Retry-After of seconds is waited for", "busy-for-a-second", {}, async (emitter) => {
  const start = Date.now();
  await emitJane(emitter);
  isTrue(Date.now() - start >= 990, `${Date.now() - start} ms`);
});

checkEmit("a date in Retry-After is understood", "busy-until-2099", {}, async (emitter) => {
  await fails(() => emitJane(emitter), Unavailable);
});

for (const scenario of ["hangs-up", "breaks-off", "no-http"]) {
  checkEmit(
    `an answer that is lost (${scenario}) is repeated with the same id`,
    scenario,
    {},
    async (emitter, seen) => {
      await emitJane(emitter, { id: "crm-1" });
      equal(ids(await seen()), ["crm-1", "crm-1"]);
    },
  );
}

checkEmit("silence is repeated", "silent", { timeout: 0.3 }, async (emitter, seen) => {
  await emitJane(emitter, { id: "crm-1" });
  equal(ids(await seen()), ["crm-1", "crm-1"]);
});

checkEmit(
  "an answer that never ends is repeated",
  "silent-after-the-head",
  { timeout: 0.3 },
  async (emitter, seen) => {
    await emitJane(emitter, { id: "crm-1" });
    equal(ids(await seen()), ["crm-1", "crm-1"]);
  },
);

checkEmit(
  "silence for too long is unavailable",
  "always-silent",
  { timeout: 0.2, retryFor: 0 },
  async (emitter) => {
    await fails(() => emitJane(emitter), Unavailable, /no answer within 0.2 s/);
  },
);

check("what cannot be reached is unavailable and says the id", async ({ closedUrl }) => {
  const emitter = new Emitter(closedUrl, "key", { retryFor: 0.3 });
  const error = await fails(
    () => emitJane(emitter, { id: "crm-1" }),
    Unavailable,
    /cannot be reached/,
  );
  equal(error.id, "crm-1");
});

check("a certificate that nobody trusts is an error at once", async ({ untrustedUrl }) => {
  if (untrustedUrl === null) return; // it is not to be had here
  const emitter = new Emitter(untrustedUrl, "key");
  const error = await fails(
    () => emitJane(emitter),
    EmitError,
    /localhost:[0-9]+ cannot be trusted: /,
  );
  equal(error.name, "EmitError");
});

checkEmit(
  "a refusal is not repeated, and has its pointers",
  "refuses",
  {},
  async (emitter, seen) => {
    const error = await fails(
      () => emitJane(emitter),
      Refused,
      /422 Invalid input: It is wrong. \[\/data: Too deep.\]/,
    );
    equal([error.status, error.title, error.detail], [422, "Invalid input", "It is wrong."]);
    equal(error.errors, [{ pointer: "/data", message: "Too deep." }]);
    equal((await seen()).length, 1);
  },
);

checkEmit("a redirect is not followed", "redirects", {}, async (emitter, seen) => {
  await fails(() => emitJane(emitter), Refused, /not an answer of the API/);
  equal((await seen()).length, 1);
});

checkEmit("what is not the API is said so", "html-404", {}, async (emitter) => {
  await fails(() => emitJane(emitter), Refused, /not an answer of the API/);
});
checkEmit("an answer without JSON is said so", "html-202", {}, async (emitter) => {
  await fails(() => emitJane(emitter), EmitError, /no JSON object/);
  await fails(() => emitter.emitMany([event(1)]), EmitError, /no JSON object/);
});
checkEmit("an answer of another API is said so", "empty-object", {}, async (emitter) => {
  await fails(() => emitJane(emitter), EmitError, /lacks id/);
  await fails(() => emitter.emitMany([event(1)]), EmitError, /result for each/);
});

const event = (id, data = {}) => ({
  event: "contact.created",
  organization: "org_1",
  data,
  id: String(id),
});

checkEmit(
  "of a batch only what was not stored is repeated",
  "batch-half-busy",
  {},
  async (emitter, seen) => {
    const results = await emitter.emitMany([0, 1, 2, 3].map((id) => event(id)));
    equal(
      results.map((one) => one.name ?? one.id),
      ["evt_0", "evt_1", "Refused", "evt_3"],
    );
    equal(
      (await seen()).map((one) => one.body.map(({ id }) => id)),
      [
        ["0", "1", "2", "3"],
        ["1", "3"],
      ],
    );
  },
);

checkEmit(
  "what a batch could not store in time is unavailable",
  "batch-first-only",
  { retryFor: 0.3 },
  async (emitter) => {
    const [first, , third] = await emitter.emitMany([0, 1, 2].map((id) => event(id)));
    equal(first.id, "evt_0");
    isTrue(third instanceof Unavailable, String(third));
    equal(third.id, "2");
    isTrue(
      third.message.startsWith("The API answers 503 Not now: Later. Emit it again"),
      third.message,
    );
  },
);

checkEmit(
  "when a later batch is refused the first one's results are kept",
  "batch-then-401",
  {},
  async (emitter) => {
    const results = await emitter.emitMany(Array.from({ length: 1_500 }, (_, id) => event(id)));
    isTrue(results.slice(0, 1_000).every((one) => one.id.startsWith("evt_")));
    isTrue(results.slice(1_000).every((one) => one instanceof Refused && one.status === 401));
  },
);

checkEmit("a first batch that is refused as a whole throws", "always-401", {}, async (emitter) => {
  equal((await fails(() => emitter.emitMany([event(1)]), Refused)).status, 401);
});

checkEmit("batches are cut by number and by bytes", "accepts", {}, async (emitter, seen) => {
  await emitter.emitMany(Array.from({ length: 2_001 }, (_, id) => event(id)));
  await emitter.emitMany(
    Array.from({ length: 50 }, (_, id) => event(id, { x: "y".repeat(250_000) })),
  );
  const lengths = (await seen()).map(({ body }) => body.length);
  equal(lengths.slice(0, 3), [1_000, 1_000, 1]);
  equal(lengths.slice(3), [33, 17]);
  equal(await emitter.emitMany([]), []);
});

checkEmit(
  "calls beyond the connections wait for one, and a failed call frees its own",
  "accepts-slowly",
  { connections: 4 },
  async (emitter, seen) => {
    const calls = Array.from({ length: 20 }, (_, id) => emitJane(emitter, { id: String(id) }));
    await Promise.all(calls);
    const most = Math.max(...(await seen()).map((one) => one.atOnce));
    isTrue(most <= 4, `${most} at once`);
  },
);

checkEmit(
  "data in text or bytes is sent as it is written",
  "accepts",
  {},
  async (emitter, seen) => {
    const data = '{ "amount": 1.10, "big": 12345678901234567890 }';
    await emitter.emit("deal.created", "org_1", data);
    await emitter.emit("deal.created", "org_1", new TextEncoder().encode(data));
    for (const { text } of await seen()) isTrue(text.includes(`"data":${data},`), text);
  },
);

checkEmit(
  "an event that cannot be sent is an error at once",
  "accepts",
  {},
  async (emitter, seen) => {
    const loop = {};
    loop.loop = loop;
    const wrong = [
      [["Contact Created", "org_1", {}], RangeError, /written like contact.created/],
      [[undefined, "org_1", {}], TypeError, /written like contact.created/],
      [["contact.created", "org 1", {}], RangeError, /1 to 64 of/],
      [["contact.created", "org_1", {}, { id: "" }], RangeError, /printable ASCII/],
      [["contact.created", "org_1", {}, { id: "é" }], RangeError, /printable ASCII/],
      [["contact.created", "org_1", {}, { happenedAt: new Date(NaN) }], RangeError, /valid Date/],
      [["contact.created", "org_1", {}, { happenedAt: "2025-01-15" }], TypeError, /is a Date/],
      [["contact.created", "org_1", { n: 1n }], TypeError, /no form for: a bigint/],
      [["contact.created", "org_1", { n: new Map() }], TypeError, /no form for: a Map/],
      [["contact.created", "org_1", { n: () => 1 }], TypeError, /no form for: a function/],
      [["contact.created", "org_1", { n: NaN }], RangeError, /NaN/],
      [["contact.created", "org_1", { n: ["\ud800"] }], RangeError, /surrogate/],
      [["contact.created", "org_1", { "\ud800": 1 }], RangeError, /surrogate/],
      [["contact.created", "org_1", loop], TypeError, /cannot be JSON/],
      [["contact.created", "org_1", [1]], TypeError, /is an object/],
      [["contact.created", "org_1", null], TypeError, /is an object/],
      [["contact.created", "org_1", new Date()], TypeError, /toJSON/],
      [["contact.created", "org_1", "[]"], RangeError, /no JSON object/],
      [["contact.created", "org_1", "{"], RangeError, /not JSON/],
      [["contact.created", "org_1", '{"n":NaN}'], RangeError, /not JSON/],
      [["contact.created", "org_1", new Uint8Array([0xff])], RangeError, /not UTF-8/],
      [["contact.created", "org_1", { n: "x".repeat(300_000) }], RangeError, /bytes/],
    ];
    for (const [[name, organization, data, options], kind, text] of wrong) {
      await fails(() => emitter.emit(name, organization, data, options), kind, text);
      const bad = { event: name, organization, data, ...options };
      await fails(() => emitter.emitMany([event(1), bad]), kind, text);
    }
    equal(await seen(), []);
  },
);

check("an address, a key or a setting that is none is an error", async () => {
  for (const url of ["", "webhooks.example.com", "ftp://x", "https://", undefined]) {
    await fails(() => new Emitter(url, "key"), RangeError, /address/);
  }
  for (const key of ["", "key\n", "schlüssel", " key", undefined]) {
    await fails(() => new Emitter("https://example.com", key), RangeError, /API key/);
  }
  for (const options of [{ timeout: 0 }, { retryFor: -1 }, { connections: 0 }, { timeout: NaN }]) {
    await fails(() => new Emitter("https://example.com", "key", options), RangeError, /seconds/);
  }
});
