/**
 * A test double for receivers: requests as Winnerr Webhooks sends them, signed by your secret.
 *
 *     const { body, headers } = await sign("contact.created", secret);
 *     const response = await POST(new Request(url, { method: "POST", body, headers }));
 */

import { rfc3339 } from "./event.js";
import { EXAMPLES } from "./examples.js";
import type { EventType, Payload } from "./events.js";
import { SecretKey, SignatureFormat, toHex } from "./signatures.js";
import { webCrypto } from "./web-crypto.js";

/** Bytes that `fetch` takes as a body. */
export type Bytes = ReturnType<TextEncoder["encode"]>;

/** A request to send to a receiver under test. */
export interface SignedRequest {
  readonly body: Bytes;
  readonly headers: Record<string, string>;
}

/** What `sign` may be asked for. */
export interface SignOptions {
  /** Signs too, as during a rotation. */
  readonly nextSecret?: string | undefined;
  readonly organization?: string | undefined;
  readonly eventId?: string | undefined;
  readonly deliveryId?: string | undefined;
  readonly attempt?: number | undefined;
  readonly test?: boolean | undefined;
  /** The time of signing in seconds since 1970. Left out, it is now. */
  readonly signedAt?: number | undefined;
  readonly headerPrefix?: string | undefined;
  readonly signatureHeader?: string | undefined;
  readonly signatureFormat?: string | undefined;
}

/**
 * Return the body and the headers of a delivery.
 *
 * `event` is an event type, for the catalogue's example of it; or a whole payload; or the bytes of
 * one. `RangeError` for an event type that this version does not know.
 */
export async function sign(
  event: EventType | Payload<string, object> | Uint8Array,
  secret: string,
  options: SignOptions = {},
): Promise<SignedRequest> {
  const { nextSecret, organization = "org_abc123", attempt = 1, test = false } = options;
  const { headerPrefix = "X-Winnerr-", signatureFormat = "sha256={hex}" } = options;
  const { signatureHeader = `${headerPrefix}Signature`, signedAt = Date.now() / 1000 } = options;
  const { eventId = await newId("evt"), deliveryId = await newId("dlv") } = options;
  const body = encodePayload(event, organization);
  const keys = [secret, nextSecret].filter((one) => one !== undefined);
  const signers = keys.map((one) => new SecretKey(one));
  const format = new SignatureFormat(signatureFormat);
  const timestamp = String(Math.floor(signedAt));
  const own = await Promise.all(signers.map((key) => key.signBody(body)));
  const standard = await Promise.all(
    signers.map((key) => key.signStandard(eventId, timestamp, body)),
  );
  const headers: Record<string, string> = {
    "Content-Type": "application/json",
    "User-Agent": "Winnerr-Webhooks/test",
    [`${headerPrefix}Event`]: eventType(body),
    [`${headerPrefix}Delivery`]: deliveryId,
    [`${headerPrefix}Webhook`]: "wh_test",
    [`${headerPrefix}Attempt`]: String(attempt),
    "webhook-id": eventId,
    "webhook-timestamp": timestamp,
    "webhook-signature": standard.map((signature) => `v1,${signature}`).join(" "),
  };
  own.forEach((digest, index) => {
    headers[index === 0 ? signatureHeader : `${signatureHeader}-Next`] = format.write(digest);
  });
  if (test) headers[`${headerPrefix}Test`] = "true";
  return { body, headers };
}

function encodePayload(event: string | object, organization: string): Bytes {
  if (event instanceof Uint8Array) return event.slice();
  const payload = typeof event === "string" ? example(event, organization) : event;
  return new TextEncoder().encode(JSON.stringify(payload));
}

function example(event: string, organizationId: string): Payload {
  if (!Object.hasOwn(EXAMPLES, event)) {
    throw new RangeError(
      `This SDK knows no event ${JSON.stringify(event)}. Give a whole payload instead: an object ` +
        "with event, timestamp, organizationId and data.",
    );
  }
  const data = EXAMPLES[event as EventType];
  return { event, timestamp: rfc3339(new Date()), organizationId, data };
}

async function newId(kind: string): Promise<string> {
  return `${kind}_${toHex((await webCrypto()).getRandomValues(new Uint8Array(13)))}`;
}

function eventType(body: Uint8Array): string {
  try {
    return String(JSON.parse(new TextDecoder().decode(body)).event ?? "unknown");
  } catch {
    return "unknown"; // a test may send anything
  }
}
