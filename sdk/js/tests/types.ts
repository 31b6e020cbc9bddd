// What the compiler knows about events and helpers. It is compiled, never run.

import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import { createServer } from "node:http";

import {
  Emitter,
  EmitError,
  Webhook,
  isEvent,
  isKnownEvent,
  type Accepted,
  type ContactCreated,
  type Event,
} from "@winnerr/webhooks-sdk";
import type { Webhook as StoredWebhook, WebhookDraft } from "@winnerr/webhooks-sdk/api-types";
import * as forExpress from "@winnerr/webhooks-sdk/express";
import * as forFastify from "@winnerr/webhooks-sdk/fastify";
import * as forFetch from "@winnerr/webhooks-sdk/fetch";
import { sign } from "@winnerr/webhooks-sdk/testing";

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function check<Is extends true>(): void;

const webhook = new Webhook(["one secret", "another secret"], { tolerance: 60 });

export function switchKnowsTheDataOfEachEvent(event: Event): string | null {
  switch (event.event) {
    case "contact.created": {
      const { name } = event.data;
      check<Equal<typeof name, string | null | undefined>>();
      const contact: ContactCreated = event;
      return contact.data.id ?? event.id;
    }
    case "deal.created": {
      const { amount } = event.data;
      check<Equal<typeof amount, number | null | undefined>>();
      return event.organizationId;
    }
    // @ts-expect-error  there is no such event type
    case "contact.creatd":
      return null;
    default:
      return event.event;
  }
}

export function whatIsNotKnownIsAPlainObject(event: Event): unknown {
  if (isKnownEvent(event)) return event.headers.deliveryId;
  const { data } = event;
  check<Equal<typeof data, Record<string, unknown>>>();
  // @ts-expect-error  it may be anything
  const name: string = data["name"];
  return name;
}

export function isEventNarrows(event: Event): number | null {
  if (!isEvent(event, "call.missed")) return null;
  const { voicemail } = event.data;
  check<Equal<typeof voicemail, boolean | null | undefined>>();
  return event.headers.attempt;
}

export async function bodiesAreRaw(request: Request, parsed: { event: string }): Promise<void> {
  await webhook.verify(await request.arrayBuffer(), request.headers);
  await webhook.verify(Buffer.from(""), { "webhook-id": "evt_1", "set-cookie": ["a", "b"] });
  // @ts-expect-error  a parsed body cannot be verified
  await webhook.verify(parsed, request.headers);
}

export async function resultsAreToldApart(emitter: Emitter): Promise<Accepted[]> {
  const results = await emitter.emitMany([{ event: "a.b", organization: "o", data: {} }]);
  return results.filter((result): result is Accepted => !(result instanceof EmitError));
}

export const app = express();
app.post(
  "/hook",
  forExpress.receives(webhook, (event, request, response) => {
    response.json({ event: event.event, path: request.path });
  }),
);
app.post(
  "/typed",
  forExpress.receives(webhook, (event, request: express.Request, response: express.Response) => {
    // @ts-expect-error  there is no such method
    response.jsn({ event: event.event, path: request.path });
  }),
);
app.post("/own", async (request, response) => {
  response.send((await forExpress.verify(webhook, request)).event);
});
createServer(forExpress.receives(webhook, async (event) => event.test));

export const fastify = Fastify();
fastify.register(
  forFastify.receives(webhook, async (event) => ({ id: event.id })),
  { prefix: "/hook" },
);
fastify.post("/own", async (request) => (await forFastify.verify(webhook, request)).id);

export const POST = forFetch.receives(webhook, async (event) => {
  return event.test ? Response.json({ test: true }) : undefined;
});
new Hono().post("/hook", (context) => POST(context.req.raw));

export async function signedRequestsFitFetch(): Promise<Response> {
  const { body, headers } = await sign("contact.created", "a secret for tests");
  return POST(new Request("https://example.com", { method: "POST", body, headers }));
}

export async function callsAboutWebhooksHaveTypes(url: string): Promise<number | null> {
  const draft: WebhookDraft = {
    url: "https://hooks.example.com/crm",
    events: ["deal.*"],
    name: "Sales mirror",
    filter: { data: { amount: { $gte: 1000 } } },
    rateLimit: { perSecond: 5 },
    retrySchedule: [60, 600],
    ordered: "data.id",
    // @ts-expect-error  there is no such way to sign
    signing: "rsa",
  };
  const answer = await fetch(url, { method: "POST", body: JSON.stringify(draft) });
  const webhook = (await answer.json()) as StoredWebhook;
  check<Equal<typeof webhook.status, "active" | "paused" | "disabled">>();
  // @ts-expect-error  the secret is not part of a webhook
  void webhook.secret;
  return webhook.timeout;
}
