/** An event on its way to the API. */

import { decode, isObject, rfc3339 } from "./event.js";
import { webCrypto } from "./web-crypto.js";

/** Bytes of the largest event that the API takes. */
const MAX_EVENT = 256 * 1024;
const EVENT = /^[a-z0-9._-]{1,128}$/;
const ORGANIZATION = /^[A-Za-z0-9_-]{1,64}$/;
const ID = /^[ -~]{1,255}$/;
const LONE_SURROGATE = /\p{Surrogate}/u;
const LAST_YEAR = 9999;

/** An event's data: an object, or JSON as text or bytes, to keep its digits and spelling. */
export type Data = object | string | Uint8Array;

/** What an event may have beside its type, organization and data. */
export interface EmitOptions {
  /**
   * Makes the call safe to repeat: the same id of the same organization is accepted once in 30
   * days. Left out, each event gets one of its own.
   */
  readonly id?: string | undefined;
  /** Left out, it is the moment of acceptance. */
  readonly happenedAt?: Date | undefined;
}

/** An event to emit. */
export interface NewEvent extends EmitOptions {
  readonly event: string;
  readonly organization: string;
  readonly data: Data;
}

/** An event as it is sent: checked, and encoded once for all repeats. */
export interface Submission {
  readonly id: string;
  readonly body: Uint8Array;
}

/** Check an event and encode it; `RangeError` or `TypeError` if no event can be like this. */
export async function encode(event: NewEvent): Promise<Submission> {
  checkText(event.event, EVENT, "An event type is written like contact.created");
  checkText(event.organization, ORGANIZATION, "An organization is 1 to 64 of A-Z a-z 0-9 _ -");
  if (event.id !== undefined) {
    checkText(event.id, ID, "An event's id is 1 to 255 printable ASCII characters");
  }
  const id = event.id ?? (await webCrypto()).randomUUID();
  const fields = [
    `"event":${JSON.stringify(event.event)}`,
    `"organizationId":${JSON.stringify(event.organization)}`,
    `"data":${encodeData(event.data)}`,
    `"id":${JSON.stringify(id)}`,
  ];
  if (event.happenedAt !== undefined) fields.push(`"timestamp":"${encodeTime(event.happenedAt)}"`);
  const body = new TextEncoder().encode(`{${fields.join(",")}}`);
  if (body.length > MAX_EVENT) {
    throw new RangeError(
      `This event has ${body.length} bytes, and the most is ${MAX_EVENT}. Send less data, ` +
        "such as a link to it.",
    );
  }
  return { id, body };
}

function checkText(text: unknown, form: RegExp, rule: string): void {
  if (typeof text !== "string") throw new TypeError(`${rule}; this is ${kindOf(text)}.`);
  if (!form.test(text))
    throw new RangeError(`${rule}; ${JSON.stringify(text.slice(0, 80))} is not.`);
}

function encodeTime(moment: Date): string {
  if (!(moment instanceof Date)) {
    throw new TypeError(`happenedAt is a Date; this is ${kindOf(moment)}.`);
  }
  const year = moment.getUTCFullYear();
  if (!(year >= 0 && year <= LAST_YEAR)) throw new RangeError("happenedAt is not a valid Date.");
  return rfc3339(moment);
}

function encodeData(data: unknown): string {
  if (typeof data === "string" || data instanceof Uint8Array) return checkJson(data);
  if (!isObject(data)) {
    throw new TypeError(`data is an object, or the JSON of one; this is ${kindOf(data)}.`);
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(data, checkValue);
  } catch (error) {
    if (error instanceof DataError || error instanceof RangeError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new TypeError(`data cannot be JSON: ${why}.`);
  }
  if (text === undefined || !text.startsWith("{")) {
    throw new TypeError("data is an object, but what its toJSON() returns is none.");
  }
  return text;
}

/** Check JSON that is encoded already, and return its text. */
function checkJson(json: string | Uint8Array): string {
  const text = typeof json === "string" ? json : decodeData(json);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RangeError(`data is text or bytes, but not JSON: ${why}.`);
  }
  if (!isObject(parsed)) throw new RangeError("data is JSON, but no JSON object.");
  if (LONE_SURROGATE.test(text)) throw loneSurrogate();
  return text;
}

function decodeData(json: Uint8Array): string {
  try {
    return decode(json);
  } catch {
    throw new RangeError("data is bytes, but not UTF-8.");
  }
}

/** Data holds a value that JSON has no form for. */
class DataError extends TypeError {}

/** Refuse what `JSON.stringify` would leave out or change without a word. */
function checkValue(key: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new RangeError(`data holds ${value}, which JSON has no form for.`);
  }
  if (LONE_SURROGATE.test(key) || (typeof value === "string" && LONE_SURROGATE.test(value))) {
    throw loneSurrogate();
  }
  const hasNoForm =
    ["bigint", "function", "symbol"].includes(typeof value) ||
    value instanceof Map ||
    value instanceof Set;
  if (hasNoForm) {
    throw new DataError(
      `data holds what JSON has no form for: ${kindOf(value)}. Turn it into text, a number, an ` +
        "object or an array first, or pass data as JSON text.",
    );
  }
  return value;
}

function loneSurrogate(): RangeError {
  return new RangeError("data holds half a character, a lone surrogate.");
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== "object") return `a ${typeof value}`;
  return `a ${value.constructor?.name ?? "object"}`;
}
