/**
 * Receive and emit Winnerr Webhooks.
 *
 * Receivers verify a request and get an event:
 *
 *     const webhook = new Webhook(secret);
 *     const event = await webhook.verify(rawBody, request.headers);
 *
 * Products emit events by `Emitter`. Helpers for frameworks are in `/express`, `/fastify` and
 * `/fetch` (Next.js, Hono, Deno, Bun, Workers), and `/testing` signs requests for a receiver's own
 * tests. There is no dependency.
 */

export { Emitter, type EmitterOptions } from "./emitter.js";
export { EmitError, Refused, Unavailable, type FieldError } from "./errors.js";
export { PayloadError } from "./event.js";
// The events of this module are verified ones; those of events.js are their payloads alone.
export type {
  Event,
  EventDetails,
  EventHeaders,
  KnownEvent,
  UnknownEvent,
  UnknownEventType,
} from "./event.js";
export * from "./events.js";
export type { Accepted, Result } from "./exchange.js";
export type { Data, EmitOptions, NewEvent } from "./new-event.js";
export { BodyTooLargeError } from "./raw-body.js";
export type { HeadersLike } from "./request-headers.js";
export { VerificationError, Webhook, type Reason, type WebhookOptions } from "./webhook.js";
