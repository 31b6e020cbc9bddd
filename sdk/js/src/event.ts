/** Events: what a verified request says. */

import type { KnownEvent as KnownPayload, Payload } from "./events.js";
import type { RequestHeaders } from "./request-headers.js";

/**
 * The name of an event type that this version of the SDK does not know: any other string.
 *
 * It exists for the compiler alone. In a plain `string` the known names would be included, and
 * `switch (event.event)` could not tell what `data` is.
 */
export declare enum UnknownEventType {
  any = "any other string",
}

/**
 * The signature is right, but the body is not an event.
 *
 * The sender signed something that is no payload of Winnerr Webhooks: a request of another product
 * that uses the same secret.
 */
export class PayloadError extends Error {
  override readonly name = "PayloadError";
}

/**
 * What headers say beside the body.
 *
 * `id` and `signedAt` were signed. The rest was not: use it to find things in logs and to drop
 * repeats, not to decide what somebody may do.
 */
export interface EventHeaders {
  /** `evt_…`, the same on every delivery of this event; null without Standard Webhooks headers. */
  readonly id: string | null;
  /** When this attempt was signed; null without Standard Webhooks headers. */
  readonly signedAt: Date | null;
  /** `dlv_…`, the same on every attempt and replay. */
  readonly deliveryId: string | null;
  /** `wh_…`, the webhook that this was sent for. */
  readonly webhookId: string | null;
  /** 1 for the first attempt. */
  readonly attempt: number | null;
  /** Whether somebody pressed *Send test event*. */
  readonly test: boolean;
}

/** What a verified event has beside its payload. */
export interface EventDetails {
  readonly headers: EventHeaders;
  /** `evt_…`, the same on every delivery of this event; null without signed headers. */
  readonly id: string | null;
  /** `dlv_…`, the same on every attempt and replay: drop repeats by it. */
  readonly deliveryId: string | null;
  /** Whether somebody pressed *Send test event*. */
  readonly test: boolean;
  /** The raw body that was verified. */
  readonly body: Uint8Array;
  /**
   * `data` with each number as the text it was written as: `"1.10"`, `"12345678901234567890"`.
   *
   * `data` itself has numbers of JavaScript, in which these are 1.1 and 12345678901234567000.
   */
  readonly exactData: Record<string, unknown>;
}

/** A verified event of a type that the catalogue had when this SDK was made. */
export type KnownEvent = KnownPayload & EventDetails;

/** A verified event of a type that this version of the SDK does not know. */
export type UnknownEvent = Payload<UnknownEventType> & EventDetails;

/** Something that happened, as a verified request tells it. `switch (event.event)` narrows it. */
export type Event = KnownEvent | UnknownEvent;

/** Take the headers from a request; a value that is not understood is left out. */
export function readEventHeaders(
  headers: RequestHeaders,
  prefix: string,
  id: string | null,
  signedAt: Date | null,
): EventHeaders {
  const attempt = headers.first(`${prefix}Attempt`) ?? "";
  return {
    id,
    signedAt,
    deliveryId: headers.first(`${prefix}Delivery`),
    webhookId: headers.first(`${prefix}Webhook`),
    attempt: /^[0-9]{1,9}$/.test(attempt) ? Number(attempt) : null,
    test: headers.first(`${prefix}Test`) === "true",
  };
}

/** Parse a verified body; `PayloadError` if it is no event. */
export function readEvent(body: Uint8Array, headers: EventHeaders): Event {
  let payload: unknown;
  try {
    payload = JSON.parse(decode(body));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new PayloadError(`The signature is right, but the body is not JSON: ${why}.`);
  }
  if (!isObject(payload)) {
    throw new PayloadError("The signature is right, but the body is not a JSON object.");
  }
  const { event, timestamp, organizationId, data } = payload;
  if (
    typeof event !== "string" ||
    typeof timestamp !== "string" ||
    typeof organizationId !== "string" ||
    !isObject(data)
  ) {
    throw new PayloadError(
      "The signature is right, but the body lacks event, timestamp, organizationId or data.",
    );
  }
  if (!isTime(timestamp)) {
    throw new PayloadError(
      "The signature is right, but its timestamp is not: " +
        `${JSON.stringify(timestamp.slice(0, 40))} is not a time such as 2025-01-15T14:23:00Z.`,
    );
  }
  // The type of `data` follows from the name: nothing checks fields, so that receivers stay up.
  const typed = { event, timestamp, organizationId, data } as KnownPayload;
  return new VerifiedEvent(typed, headers, body) as EventDetails as Event;
}

/** An event as it is at run time; body and details are no part of what `JSON.stringify` writes. */
class VerifiedEvent implements EventDetails {
  readonly event: string;
  readonly timestamp: string;
  readonly organizationId: string;
  readonly data: unknown;
  readonly headers: EventHeaders;
  readonly #body: Uint8Array;

  constructor(payload: Payload<string, unknown>, headers: EventHeaders, body: Uint8Array) {
    this.event = payload.event;
    this.timestamp = payload.timestamp;
    this.organizationId = payload.organizationId;
    this.data = payload.data;
    this.headers = headers;
    this.#body = body;
  }

  get id(): string | null {
    return this.headers.id;
  }

  get deliveryId(): string | null {
    return this.headers.deliveryId;
  }

  get test(): boolean {
    return this.headers.test;
  }

  get body(): Uint8Array {
    return this.#body;
  }

  get exactData(): Record<string, unknown> {
    return JSON.parse(quoteNumbers(decode(this.#body))).data;
  }
}

/** Turn each number of a JSON text into a string of its digits. */
function quoteNumbers(json: string): string {
  return json.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9][0-9.eE+-]*/g, (token) =>
    token.startsWith('"') ? token : `"${token}"`,
  );
}

/** Decode UTF-8; an error if it is none. A byte order mark stays, and then it is no JSON. */
export function decode(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}

/** Whether a parsed value is a JSON object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTime(text: string): boolean {
  const moment = new Date(text);
  return !Number.isNaN(moment.getTime()) && rfc3339(moment) === text;
}

/** Write a moment as the API takes it: whole seconds, in UTC. */
export function rfc3339(moment: Date): string {
  return `${moment.toISOString().split(".")[0]}Z`;
}
