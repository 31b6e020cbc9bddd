/**
 * Receive in Express, Connect, Cloud Functions and the plain `node:http`.
 *
 *     import express from "express";
 *     import { Webhook } from "@winnerr/webhooks-sdk";
 *     import { receives } from "@winnerr/webhooks-sdk/express";
 *
 *     const app = express();
 *     const webhook = new Webhook(secret);
 *     app.post("/hooks/winnerr", receives(webhook, async (event) => {}));
 *     app.use(express.json());  // after it, or with rawBody: see verify
 *
 * To answer in your own way: `const event = await verify(webhook, request)`.
 */

import type { Event } from "./event.js";
import { BodyTooLargeError, MAX_BODY, isRaw, refusalFor } from "./raw-body.js";
import { concat } from "./signatures.js";
import type { Webhook } from "./webhook.js";

/** What is used of a request of Node.js. */
export interface NodeRequest {
  readonly method?: string | undefined;
  readonly headers: { readonly [name: string]: string | string[] | undefined };
  readonly readableEnded: boolean;
  readonly readableDidRead?: boolean;
  readonly destroyed: boolean;
  on(name: string, listener: (...values: any[]) => void): unknown;
  pause(): unknown;
}

/** What is used of a response of Node.js. */
export interface NodeResponse {
  statusCode: number;
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  setHeader(name: string, value: string): unknown;
  end(text?: string): unknown;
}

/**
 * Return the event of a request; `VerificationError` if it is not genuine.
 *
 * It reads the request's body. If something has read it before, the raw bytes have to be in
 * `request.rawBody` or `request.body`, where `express.raw()` and Cloud Functions put them. With
 * `express.json()` for the whole application, keep them:
 *
 *     const verify = (request, response, body) => { request.rawBody = body; };
 *     app.use(express.json({ limit: "1mb", verify }));
 *
 * `Error` if the raw body is gone.
 */
export async function verify(webhook: Webhook, request: NodeRequest): Promise<Event> {
  return webhook.verify(await rawBody(request), request.headers);
}

/**
 * Make a handler of a function of the verified event.
 *
 * When the function is done and has not answered, 204 is answered. A request that is not genuine is
 * answered 401 with the reason in words: the sender's log shows it to whoever set the webhook up.
 * An error goes to `next`; without one, as in `node:http`, it is logged and answered 500.
 *
 * In TypeScript, annotate the function's request and response with the framework's types.
 */
export function receives<Req extends NodeRequest = any, Res extends NodeResponse = any>(
  webhook: Webhook,
  handle: (event: Event, request: Req, response: Res) => unknown,
): (request: Req, response: Res, next?: (error: unknown) => void) => Promise<void> {
  return async (request, response, next) => {
    if (request.method !== "POST") {
      response.setHeader("Allow", "POST");
      return answer(response, 405);
    }
    try {
      await handle(await verify(webhook, request), request, response);
      if (!response.headersSent && !response.writableEnded) answer(response, 204);
    } catch (error) {
      const refusal = refusalFor(error);
      if (refusal !== null) return answer(response, refusal.status, refusal.text);
      if (next !== undefined) return next(error);
      console.error(error);
      if (!response.headersSent) answer(response, 500);
    }
  };
}

function answer(response: NodeResponse, status: number, text?: string): void {
  response.statusCode = status;
  if (text !== undefined) response.setHeader("Content-Type", "text/plain; charset=utf-8");
  // The rest of a body that was not read would be taken for the next request.
  if (status === 413) response.setHeader("Connection", "close");
  response.end(text);
}

async function rawBody(request: NodeRequest): Promise<Uint8Array | string> {
  const { rawBody, body } = request as { rawBody?: unknown; body?: unknown };
  if (isRaw(rawBody)) return rawBody;
  if (isRaw(body)) return body;
  if (request.readableDidRead || request.readableEnded) {
    throw new Error(
      "The raw body is gone: something such as express.json() read it before. Put this route " +
        "before app.use(express.json()), or let it keep the raw body: " +
        "express.json({ verify: (request, response, body) => { request.rawBody = body; } }).",
    );
  }
  return readBody(request);
}

function readBody(request: NodeRequest): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const brokenOff = () => reject(new Error("The request broke off."));
    if (request.destroyed) brokenOff(); // before this was called, and no event will come
    const chunks: Uint8Array[] = [];
    let size = 0;
    request.on("data", (chunk: Uint8Array) => {
      size += chunk.length;
      if (size <= MAX_BODY) {
        chunks.push(chunk);
        return;
      }
      request.pause();
      reject(new BodyTooLargeError());
    });
    request.on("end", () => resolve(concat(chunks)));
    request.on("error", reject);
    request.on("close", brokenOff);
  });
}
