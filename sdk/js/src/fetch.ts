/**
 * Receive where requests are the `Request` of fetch: Next.js, Hono, Deno, Bun, Cloudflare Workers.
 *
 *     import { Webhook } from "@winnerr/webhooks-sdk";
 *     import { receives } from "@winnerr/webhooks-sdk/fetch";
 *
 *     const webhook = new Webhook(secret);
 *     export const POST = receives(webhook, async (event) => {});
 *
 * To answer in your own way: `const event = await verify(webhook, request)`.
 */

import type { Event } from "./event.js";
import { BodyTooLargeError, MAX_BODY, refusalFor } from "./raw-body.js";
import { concat } from "./signatures.js";
import type { Webhook } from "./webhook.js";

/**
 * Return the event of a request; `VerificationError` if it is not genuine.
 *
 * It reads the request's body; `event.body` holds it afterwards.
 */
export async function verify(webhook: Webhook, request: Request): Promise<Event> {
  if (request.bodyUsed) {
    throw new Error(
      "The raw body is gone: something read request.json() or request.text() before. Verify " +
        "first, and take the data from the event.",
    );
  }
  return webhook.verify(await readBody(request), request.headers);
}

type Answer = Response | undefined | void;

/**
 * Make a handler of a function of the verified event.
 *
 * What the function returns is the answer, 204 if it returns nothing. A request that is not genuine
 * is answered 401 with the reason in words: the sender's log shows it to whoever set the webhook
 * up. An error of the function is thrown on, and the runtime answers 500.
 */
export function receives(
  webhook: Webhook,
  handle: (event: Event, request: Request) => Answer | Promise<Answer>,
): (request: Request) => Promise<Response> {
  return async (request) => {
    if (request.method !== "POST") {
      return new Response(null, { status: 405, headers: { Allow: "POST" } });
    }
    let event: Event;
    try {
      event = await verify(webhook, request);
    } catch (error) {
      const refusal = refusalFor(error);
      if (refusal === null) throw error;
      return new Response(refusal.text, { status: refusal.status });
    }
    return (await handle(event, request)) ?? new Response(null, { status: 204 });
  };
}

async function readBody(request: Request): Promise<Uint8Array> {
  const reader = request.body?.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > MAX_BODY) {
      await reader.cancel();
      throw new BodyTooLargeError();
    }
    chunks.push(value);
  }
  return concat(chunks);
}
