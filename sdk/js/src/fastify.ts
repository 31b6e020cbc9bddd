/**
 * Receive in Fastify.
 *
 *     import Fastify from "fastify";
 *     import { Webhook } from "@winnerr/webhooks-sdk";
 *     import { receives } from "@winnerr/webhooks-sdk/fastify";
 *
 *     const app = Fastify();
 *     const webhook = new Webhook(secret);
 *     app.register(receives(webhook, async (event) => {}), { prefix: "/hooks/winnerr" });
 *
 * To answer in your own way: `const event = await verify(webhook, request)`, in a route that gets
 * the raw body.
 */

import type { Event } from "./event.js";
import { isRaw, refusalFor } from "./raw-body.js";
import type { Webhook } from "./webhook.js";

/** What is used of a request of Fastify. */
export interface FastifyRequestLike {
  readonly headers: { readonly [name: string]: string | string[] | undefined };
  readonly body: unknown;
}

/** What is used of a reply of Fastify. */
export interface FastifyReplyLike {
  readonly sent: boolean;
  code(status: number): this;
  type(mediaType: string): this;
  send(payload?: unknown): unknown;
}

/** What is used of an instance of Fastify. */
export interface FastifyLike {
  removeAllContentTypeParsers(): unknown;
  addContentTypeParser(
    mediaType: string,
    options: { parseAs: "buffer" },
    parser: (request: any, body: any, done: (error: Error | null, body?: any) => void) => void,
  ): unknown;
  post(path: string, handler: (request: any, reply: any) => Promise<unknown>): unknown;
}

/**
 * Return the event of a request; `VerificationError` if it is not genuine.
 *
 * `request.rawBody` (of the plugin fastify-raw-body) or `request.body` has to be the raw body;
 * `Error` if neither is.
 */
export async function verify(webhook: Webhook, request: FastifyRequestLike): Promise<Event> {
  const { rawBody, body } = request as { rawBody?: unknown; body?: unknown };
  const raw = rawBody ?? body;
  if (!isRaw(raw)) {
    throw new Error(
      "The raw body is gone: Fastify parsed it. Register receives(…), which keeps it for its own " +
        "route, or add a content type parser with parseAs: 'buffer'.",
    );
  }
  return webhook.verify(raw, request.headers);
}

/**
 * Make a plugin of a function of the verified event: a route at the prefix it is registered with.
 *
 * What the function returns is sent; 204 if it returns nothing and has sent nothing. A request that
 * is not genuine is answered 401 with the reason in words: the sender's log shows it to whoever set
 * the webhook up. Other routes parse their bodies as before.
 *
 * In TypeScript, annotate the function's request and reply with the framework's types.
 */
export function receives<Req extends FastifyRequestLike = any, Rep extends FastifyReplyLike = any>(
  webhook: Webhook,
  handle: (event: Event, request: Req, reply: Rep) => unknown,
): (app: FastifyLike) => Promise<void> {
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => {
      done(null, body);
    });
    app.post("/", async (request: Req, reply: Rep) => {
      let event: Event;
      try {
        event = await verify(webhook, request);
      } catch (error) {
        const refusal = refusalFor(error);
        if (refusal === null) throw error;
        return reply.code(refusal.status).type("text/plain; charset=utf-8").send(refusal.text);
      }
      const answer = await handle(event, request, reply);
      if (answer === undefined && !reply.sent) return reply.code(204).send();
      return answer;
    });
  };
}
