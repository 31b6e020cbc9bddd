/** Raw bodies: what the helpers for frameworks share. */

import { PayloadError } from "./event.js";
import { VerificationError } from "./webhook.js";

/** Bytes of the largest body that a helper reads; an event has at most 256 KiB. */
export const MAX_BODY = 1024 * 1024;

/** The body is larger than any event. It was not read to its end, and nothing was verified. */
export class BodyTooLargeError extends Error {
  override readonly name = "BodyTooLargeError";

  constructor() {
    super(`The body has more than ${MAX_BODY} bytes, more than any event has.`);
  }
}

/** How a helper answers a request that did not reach the receiver's own function. */
export interface Refusal {
  readonly status: 401 | 413 | 422;
  readonly text: string;
}

/** Return the answer to a request that is no event; null if the error is another one. */
export function refusalFor(error: unknown): Refusal | null {
  if (error instanceof VerificationError) return { status: 401, text: error.message };
  if (error instanceof PayloadError) return { status: 422, text: error.message };
  if (error instanceof BodyTooLargeError) return { status: 413, text: error.message };
  return null;
}

/** Whether a framework handed over what `Webhook.verify` takes. */
export function isRaw(body: unknown): body is Uint8Array | string {
  return typeof body === "string" || ArrayBuffer.isView(body);
}
