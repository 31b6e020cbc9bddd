/**
 * Signatures: how they are computed, and what a well-formed one looks like.
 *
 * Two schemes sign the same body. `X-Winnerr-Signature` is HMAC-SHA256 (RFC 2104) of the body,
 * keyed with the whole secret. `webhook-signature` (Standard Webhooks 1.0) is HMAC-SHA256 of
 * `<webhook-id>.<webhook-timestamp>.<body>`, keyed with the base64-decoded rest of a `whsec_`
 * secret, or with the whole of any other.
 */

import { webCrypto } from "./web-crypto.js";

/** Characters of the shortest secret that a webhook may have. */
const SHORTEST_SECRET = 8;
const WHSEC = "whsec_";
const WHPK = "whpk_";
const WHSK = "whsk_";
/** 32 bytes. */
const KEY_BASE64 = /^[A-Za-z0-9+/]{43}=$/;
/** 64 bytes. */
const V1A = /^v1a,([A-Za-z0-9+/]{86}==)$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const CONTROL = /[\x00-\x1f\x7f]/;
/** Half a character, which UTF-8 cannot hold. */
const LONE_SURROGATE = /\p{Surrogate}/u;
const HEX_DIGEST = /^[0-9A-Fa-f]{64}$/;
const BASE64_DIGEST = /^[A-Za-z0-9+/]{43}=$/;
const OTHER_VERSION = /^(?!v1,)[a-z0-9]+,[A-Za-z0-9+/]+={0,2}$/;
const ED25519 = { name: "Ed25519" };
const HMAC = { name: "HMAC", hash: "SHA-256" };

/**
 * A webhook's secret, ready to sign with.
 *
 * `RangeError` if no webhook can have this secret: it is too short, holds a control character, or
 * does not hold base64 after `whsec_`. The message never holds the secret.
 */
export class SecretKey {
  readonly #whole: HmacKey;
  readonly #standard: HmacKey;

  constructor(secret: string) {
    if (typeof secret !== "string") {
      throw new TypeError(
        `A secret is a string, as the settings page shows it, not ${typeof secret}. ` +
          "Is the variable it comes from set?",
      );
    }
    checkSecret(secret);
    this.#whole = new HmacKey(new TextEncoder().encode(secret));
    this.#standard = secret.startsWith(WHSEC)
      ? new HmacKey(fromBase64(secret.slice(WHSEC.length)))
      : this.#whole;
  }

  /** Return the digest that `X-Winnerr-Signature` shows. */
  async signBody(body: Uint8Array): Promise<Uint8Array> {
    return this.#whole.sign(body);
  }

  /** Return the base64 text that `webhook-signature` shows after `v1,`. */
  async signStandard(eventId: string, timestamp: string, body: Uint8Array): Promise<string> {
    const head = new TextEncoder().encode(`${eventId}.${timestamp}.`);
    return toBase64(await this.#standard.sign(concat([head, body])));
  }
}

/** Whether this is a public key, in place of a secret. */
export function isPublicKey(secret: unknown): boolean {
  return typeof secret === "string" && secret.startsWith(WHPK);
}

/**
 * The public key of a webhook that signs with Ed25519 (RFC 8032).
 *
 * `RangeError` if it cannot be one.
 */
export class PublicKey {
  readonly #bytes: Uint8Array;
  // As in `HmacKey`: the key and not its promise is kept.
  #key: CryptoKey | undefined;

  constructor(text: string) {
    const encoded = text.slice(WHPK.length);
    if (!KEY_BASE64.test(encoded)) {
      throw new RangeError(
        "What follows whpk_ is not the base64 of 32 bytes. Copy the whole public key, up to the " +
          "= sign, from the page of the webhook about signing.",
      );
    }
    this.#bytes = fromBase64(encoded);
  }

  /** Whether this is the signature of a request. */
  async verifies(
    signature: Uint8Array,
    eventId: string,
    timestamp: string,
    body: Uint8Array,
  ): Promise<boolean> {
    const { subtle } = await webCrypto();
    try {
      this.#key ??= await subtle.importKey("raw", this.#bytes as BufferSource, ED25519, false, [
        "verify",
      ]);
    } catch (error) {
      throw new Error(
        "The Web Crypto of this runtime has no Ed25519. Use Node.js 18.4 or newer, or set the " +
          "webhook's signing to hmac.",
        { cause: error },
      );
    }
    const content = concat([new TextEncoder().encode(`${eventId}.${timestamp}.`), body]);
    return subtle.verify(ED25519, this.#key, signature as BufferSource, content as BufferSource);
  }
}

class HmacKey {
  readonly #bytes: Uint8Array;
  // The key and not its promise is kept: Workers cannot wait for what another request began.
  #key: CryptoKey | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  async sign(content: Uint8Array): Promise<Uint8Array> {
    const { subtle } = await webCrypto();
    this.#key ??= await subtle.importKey("raw", this.#bytes as BufferSource, HMAC, false, ["sign"]);
    return new Uint8Array(await subtle.sign("HMAC", this.#key, content as BufferSource));
  }
}

function checkSecret(secret: string): void {
  if (secret === "") {
    throw new RangeError("The secret is empty. Is the variable or file it comes from set?");
  }
  if (CONTROL.test(secret)) {
    throw new RangeError(
      "The secret has a line break or another control character. " +
        "Remove it; a secret read from a file often needs .trim().",
    );
  }
  if (LONE_SURROGATE.test(secret)) {
    throw new RangeError("The secret holds half a character, a lone surrogate. Copy it anew.");
  }
  const length = [...secret].length;
  if (length < SHORTEST_SECRET) {
    throw new RangeError(
      `The secret has ${length} characters, and a webhook's secret has at least ` +
        `${SHORTEST_SECRET}. Copy the whole secret.`,
    );
  }
  if (secret.startsWith(WHSK)) {
    throw new RangeError(
      "This is a private key, which signs. Give the public key, which begins with whpk_.",
    );
  }
  if (secret.startsWith(WHSEC) && !BASE64.test(secret.slice(WHSEC.length))) {
    throw new RangeError(
      "What follows whsec_ in the secret is not base64. Copy the whole secret, " +
        "up to the last = sign.",
    );
  }
}

/** How a product writes the signature of a body: `sha256={hex}`, or text around `{base64}`. */
export class SignatureFormat {
  readonly text: string;
  readonly #before: string;
  readonly #after: string;
  readonly #isHex: boolean;

  constructor(text: string) {
    const parts = text.split(/(\{hex\}|\{base64\})/);
    const [before, placeholder, after] = parts;
    if (parts.length !== 3 || before === undefined || after === undefined) {
      throw new RangeError(
        "signatureFormat is text with one {hex} or {base64} in it, such as 'sha256={hex}'; " +
          `this is ${JSON.stringify(text)}.`,
      );
    }
    this.text = text;
    this.#before = before;
    this.#after = after;
    this.#isHex = placeholder === "{hex}";
  }

  /** Return the header's value for a digest. */
  write(digest: Uint8Array): string {
    return this.#before + this.encode(digest) + this.#after;
  }

  /** Return the digest's text in a header's value; null if the value has another form. */
  read(value: string): string | null {
    if (!value.startsWith(this.#before) || !value.endsWith(this.#after)) return null;
    const digest = value.slice(this.#before.length, value.length - this.#after.length);
    if (this.#isHex) return HEX_DIGEST.test(digest) ? digest.toLowerCase() : null;
    return BASE64_DIGEST.test(digest) ? digest : null;
  }

  /** Return a digest's text as `read` returns it. */
  encode(digest: Uint8Array): string {
    return this.#isHex ? toHex(digest) : toBase64(digest);
  }
}

/**
 * Return the base64 texts of the `v1` entries of a `webhook-signature`.
 *
 * Entries of other versions are left out. Null if any entry does not have its form, or if there is
 * none.
 */
export function readStandard(value: string): string[] | null {
  const entries = value.split(" ").filter((entry) => entry !== "");
  const texts: string[] = [];
  for (const entry of entries) {
    const text = entry.slice("v1,".length);
    if (entry.startsWith("v1,") && BASE64_DIGEST.test(text)) texts.push(text);
    else if (!OTHER_VERSION.test(entry)) return null;
  }
  return entries.length > 0 ? texts : null;
}

/** Return the signatures in the `v1a` entries of a `webhook-signature`. */
export function readEd25519(value: string): Uint8Array[] {
  return value.split(" ").flatMap((entry) => {
    const text = V1A.exec(entry)?.[1];
    return text === undefined ? [] : [fromBase64(text)];
  });
}

/** Compare all with all, in a time that does not depend on what matches. */
export function anyEqual(given: readonly string[], expected: readonly string[]): boolean {
  let found = 0;
  for (const one of given) {
    for (const other of expected) found |= Number(isEqual(one, other));
  }
  return found === 1;
}

/** Compare two ASCII texts whose length is no secret. */
function isEqual(one: string, other: string): boolean {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let i = 0; i < one.length; i++) difference |= one.charCodeAt(i) ^ other.charCodeAt(i);
  return difference === 0;
}

/** Put bytes one after another. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Write bytes as hexadecimal digits, in lower case. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
