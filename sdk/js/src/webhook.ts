/** Verification: from the raw request that a receiver gets to an event it can trust. */

import { readEvent, readEventHeaders, type Event } from "./event.js";
import { RequestHeaders, type HeadersLike } from "./request-headers.js";
import {
  PublicKey,
  SecretKey,
  SignatureFormat,
  anyEqual,
  isPublicKey,
  readEd25519,
  readStandard,
} from "./signatures.js";

/** Why a request was refused; the same words in every SDK. */
export type Reason = "missing_header" | "malformed_header" | "no_match" | "too_old" | "too_new";

const ID = "webhook-id";
const TIMESTAMP = "webhook-timestamp";
const SIGNATURE = "webhook-signature";
const STANDARD = [ID, TIMESTAMP, SIGNATURE];
/** No full stop: it separates the signed parts, so the text could be split at other places. */
const EVENT_ID = /^[A-Za-z0-9_-]{1,255}$/;
const SECONDS = /^[0-9]{1,12}$/;

/**
 * The request was not signed with this secret, or not lately; do not act on it.
 *
 * `reason` is one word for programs. The message says what it means and what to do; it holds
 * neither secret nor signature, so it may be logged and sent back.
 */
export class VerificationError extends Error {
  override readonly name = "VerificationError";
  readonly reason: Reason;

  constructor(reason: Reason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Settings of a `Webhook`. */
export interface WebhookOptions {
  /** How many seconds the time of signing may lie in the past or in the future. 300. */
  readonly tolerance?: number | undefined;
  /** How the names of the product's own headers begin. `X-Winnerr-`. */
  readonly headerPrefix?: string | undefined;
  /** The exact name of the signature's header. The prefix and `Signature`. */
  readonly signatureHeader?: string | undefined;
  /** `{hex}` or `{base64}` with any text around it. `sha256={hex}`. */
  readonly signatureFormat?: string | undefined;
  /**
   * Refuse requests that carry `X-Winnerr-Signature` alone: that scheme signs no time, so it cannot
   * tell a request that is sent again. False.
   */
  readonly requireTimestamp?: boolean | undefined;
}

/**
 * Verifies the requests of one webhook.
 *
 * `secret` is the webhook's secret as the settings page shows it, or a list of secrets of which any
 * may have signed: give the old and the new one while you rotate. In place of a secret, give the
 * public key (`whpk_…`) of a webhook that signs with Ed25519.
 *
 * `RangeError` if a secret or a setting cannot be right, `TypeError` if it is of another kind.
 */
export class Webhook {
  readonly #keys: readonly SecretKey[];
  readonly #publicKeys: readonly PublicKey[];
  readonly #tolerance: number;
  readonly #prefix: string;
  readonly #signatureHeader: string;
  readonly #format: SignatureFormat;
  readonly #requireTimestamp: boolean;

  constructor(secret: string | readonly string[], options: WebhookOptions = {}) {
    const secrets = Array.isArray(secret) ? (secret as readonly string[]) : [secret as string];
    if (secrets.length === 0) throw new RangeError("Give at least one secret.");
    const tolerance = options.tolerance ?? 300;
    if (typeof tolerance !== "number" || !(tolerance >= 0)) {
      throw new RangeError("tolerance is a number of seconds, 0 or more.");
    }
    this.#keys = secrets.filter((one) => !isPublicKey(one)).map((one) => new SecretKey(one));
    this.#publicKeys = secrets.filter(isPublicKey).map((one) => new PublicKey(one));
    this.#tolerance = tolerance;
    this.#prefix = options.headerPrefix ?? "X-Winnerr-";
    this.#signatureHeader = options.signatureHeader ?? `${this.#prefix}Signature`;
    this.#format = new SignatureFormat(options.signatureFormat ?? "sha256={hex}");
    this.#requireTimestamp = options.requireTimestamp ?? false;
  }

  /**
   * Return the event of a request that is genuine; `VerificationError` if it is not.
   *
   * `body` is the raw body: the bytes as they came, before anything parsed them. A string is taken
   * for its UTF-8. `headers` is `request.headers`, with names in any case. `now` is the time to
   * judge by in seconds since 1970, for requests that were stored; left out, it is now.
   *
   * `PayloadError` if the signature is right but the body is no event.
   */
  async verify(
    body: Uint8Array | ArrayBuffer | string,
    headers: HeadersLike,
    { now = Date.now() / 1000 }: { readonly now?: number | undefined } = {},
  ): Promise<Event> {
    const raw = rawBytes(body);
    const given = new RequestHeaders(headers);
    const isStandard = STANDARD.some((name) => given.all(name).length > 0);
    if (!isStandard) await this.#verifyOwn(raw, given);
    const signed = isStandard ? await this.#verifyStandard(raw, given, now) : null;
    const { id = null, signedAt = null } = signed ?? {};
    return readEvent(raw, readEventHeaders(given, this.#prefix, id, signedAt));
  }

  /** Judge by Standard Webhooks: the id and the time that were signed. */
  async #verifyStandard(
    body: Uint8Array,
    headers: RequestHeaders,
    now: number,
  ): Promise<{ id: string; signedAt: Date }> {
    for (const name of STANDARD) checkIsThere(headers, name);
    const id = onlyValue(headers, ID);
    const timestamp = onlyValue(headers, TIMESTAMP);
    const signature = onlyValue(headers, SIGNATURE);
    if (!EVENT_ID.test(id)) throw malformed(ID, "an id of letters, digits, _ and -");
    if (!SECONDS.test(timestamp)) throw malformed(TIMESTAMP, "whole seconds since 1970");
    const texts = readStandard(signature);
    if (texts === null) {
      throw malformed(SIGNATURE, "entries such as v1,<base64>, with a space between them");
    }
    const signatures = this.#publicKeys.length > 0 ? readEd25519(signature) : [];
    const expected = this.#keys.map((key) => key.signStandard(id, timestamp, body));
    const matches =
      anyEqual(texts, await Promise.all(expected)) ||
      (await this.#verifiesAny(signatures, id, timestamp, body));
    if (!matches && this.#keys.length > 0 && texts.length + signatures.length === 0) {
      throw noEntry("v1", "a secret", "Ed25519 (v1a), give the public key (whpk_…) of its page");
    }
    if (!matches && this.#keys.length === 0 && signatures.length === 0) {
      throw noEntry("v1a", "a public key", "HMAC (v1), give its secret");
    }
    if (!matches) throw noMatch(SIGNATURE);
    this.#checkTime(Number(timestamp), now);
    return { id, signedAt: new Date(Number(timestamp) * 1000) };
  }

  async #verifiesAny(
    signatures: readonly Uint8Array[],
    id: string,
    timestamp: string,
    body: Uint8Array,
  ): Promise<boolean> {
    for (const key of this.#publicKeys) {
      for (const signature of signatures) {
        if (await key.verifies(signature, id, timestamp, body)) return true;
      }
    }
    return false;
  }

  /** Judge by the product's own header, and by its twin while the secret is rotated. */
  async #verifyOwn(body: Uint8Array, headers: RequestHeaders): Promise<void> {
    const names = [this.#signatureHeader, `${this.#signatureHeader}-Next`];
    const given = names.filter((name) => headers.all(name).length > 0);
    if (given.length === 0 || this.#requireTimestamp) throw this.#missingSignature(given[0]);
    const texts = given.map((name) => {
      const text = this.#format.read(onlyValue(headers, name));
      if (text === null) throw malformed(name, `of the form ${this.#format.text}`);
      return text;
    });
    const digests = await Promise.all(this.#keys.map((key) => key.signBody(body)));
    const expected = digests.map((digest) => this.#format.encode(digest));
    if (!anyEqual(texts, expected)) throw noMatch(this.#signatureHeader);
  }

  #missingSignature(given: string | undefined): VerificationError {
    if (given !== undefined) {
      return new VerificationError(
        "missing_header",
        `The request has ${given} but no ${TIMESTAMP}, and requireTimestamp is set. ` +
          "If the sender sends the webhook-… headers, something between removes them.",
      );
    }
    return new VerificationError(
      "missing_header",
      `The request has neither ${SIGNATURE} nor ${this.#signatureHeader}. Does the webhook ` +
        "have a secret? If it does, look whether a proxy removes the headers, and whether the " +
        "product uses another headerPrefix or signatureHeader.",
    );
  }

  #checkTime(signedAt: number, now: number): void {
    const age = now - signedAt;
    if (Math.abs(age) <= this.#tolerance) return;
    const how = `${Math.abs(age).toFixed(0)} s ${age > 0 ? "ago" : "ahead of this machine"}`;
    throw new VerificationError(
      age > 0 ? "too_old" : "too_new",
      `The signature is right, but the request was signed ${how}, and tolerance is ` +
        `${this.#tolerance} s. Check this machine's clock (NTP). ` +
        (age > 0
          ? "If it is right, somebody may be sending an old request again: do not act on it."
          : "If it is right, the sender's clock is wrong."),
    );
  }
}

/** Copy the body: nobody can change it between its verification and its use. */
function rawBytes(body: unknown): Uint8Array {
  if (typeof body === "string") return new TextEncoder().encode(body);
  // Not `instanceof`, which is false for objects of another realm, such as those of Jest.
  if (ArrayBuffer.isView(body)) {
    return new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice();
  }
  if (Object.prototype.toString.call(body) === "[object ArrayBuffer]") {
    return new Uint8Array(body as ArrayBuffer).slice();
  }
  throw new TypeError(
    `body has to be the raw bytes of the request, not ${describe(body)}. What was parsed cannot ` +
      "be verified: take the helper for Express or Fastify (@winnerr/webhooks-sdk/express, " +
      "/fastify), or await request.arrayBuffer() of a fetch Request (Next.js, Workers, Deno, Bun; " +
      "in Hono c.req.raw).",
  );
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function checkIsThere(headers: RequestHeaders, name: string): void {
  if (headers.all(name).length > 0) return;
  throw new VerificationError(
    "missing_header",
    `The request has no ${name}, but it has other webhook-… headers. Look whether a proxy ` +
      "removes it. Without a secret the webhook is not signed: set one on the settings page.",
  );
}

/** Return the value of a header that has to be there once. */
function onlyValue(headers: RequestHeaders, name: string): string {
  const [value, ...more] = headers.all(name);
  if (value === undefined || more.length > 0) throw malformed(name, "there once");
  return value;
}

function malformed(name: string, form: string): VerificationError {
  return new VerificationError(
    "malformed_header",
    `${name} is not ${form}. Pass the headers as they came; if they are, something on the way ` +
      "changed this one, or the request is not from the product.",
  );
}

function noEntry(version: string, kind: string, otherwise: string): VerificationError {
  return new VerificationError(
    "no_match",
    `${SIGNATURE} has no ${version} entry, the one kind that ${kind} verifies. If the webhook ` +
      `signs with ${otherwise}.`,
  );
}

function noMatch(name: string): VerificationError {
  return new VerificationError(
    "no_match",
    `${name} does not match this body and secret. Most often the body is not the raw one: ` +
      "verify the bytes as they came, before anything parses, decodes or trims them. " +
      "Otherwise compare the secret with the one on the settings page, and if it was rotated, " +
      "give both.",
  );
}
