/** `Emitter`: sends events to the API, by fetch. */

import { EmitError } from "./errors.js";
import { Lost, emitBatches, emitOne, type Accepted, type Answer, type Result } from "./exchange.js";
import { encode, type Data, type EmitOptions, type NewEvent } from "./new-event.js";

/** Printable ASCII, without space around it. */
const KEY = /^[!-~](?:[ -~]*[!-~])?$/;
/** How runtimes name an error of a certificate, by its code or in its text. */
const CERTIFICATE = /certificate|CERT_|_CERT|UNABLE_TO_VERIFY_LEAF/i;

/** Settings of an `Emitter`. */
export interface EmitterOptions {
  /** How many seconds one request may take. 10. */
  readonly timeout?: number | undefined;
  /** For how many seconds a call is repeated. 30. */
  readonly retryFor?: number | undefined;
  /** How many requests are made at once; more calls than that wait for one. 16. */
  readonly connections?: number | undefined;
}

/**
 * Sends events to the API; one emitter serves a whole process.
 *
 *     const emitter = new Emitter("https://webhooks.example.com", key);
 *     await emitter.emit("contact.created", "org_abc123", { id: "contact_xyz" });
 *
 * `url` is the API's address, without `/api/v1`, and `key` an API key. `RangeError` if one of them
 * cannot be right.
 */
export class Emitter {
  readonly #url: string;
  readonly #key: string;
  readonly #timeout: number;
  readonly #retryFor: number;
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(url: string, key: string, options: EmitterOptions = {}) {
    this.#url = baseUrl(url);
    if (typeof key !== "string" || !KEY.test(key)) {
      throw new RangeError(
        "key is an API key, as winnerr-webhooks keys create prints it. " +
          "This one is empty or has a character that no key has.",
      );
    }
    this.#key = key;
    const { timeout = 10, retryFor = 30, connections = 16 } = options;
    if (!(timeout > 0 && retryFor >= 0 && connections >= 1)) {
      throw new RangeError(
        "timeout and retryFor are seconds, retryFor may be 0, and connections is 1 or more.",
      );
    }
    this.#timeout = timeout;
    this.#retryFor = retryFor;
    this.#free = connections;
  }

  /**
   * Send one event, and return once it is stored with its deliveries.
   *
   * When the API asks for it or a connection is lost, the call is repeated with the same id, for up
   * to `retryFor` seconds. `Refused` if the event or the key is wrong, `Unavailable` if the time is
   * over, `RangeError` or `TypeError` for an event that cannot be sent at all.
   */
  async emit(
    event: string,
    organization: string,
    data: Data,
    options: EmitOptions = {},
  ): Promise<Accepted> {
    const { id, happenedAt } = options;
    const submission = await encode({ event, organization, data, id, happenedAt });
    return emitOne(this.#post, submission, this.#retryFor);
  }

  /**
   * Send any number of events in batches, and return the result of each in their order.
   *
   * A result is `Accepted`, or an `EmitError` that is returned, not thrown. The call itself throws
   * `Refused` if the first batch is refused as a whole, such as for a wrong key, and `RangeError`
   * or `TypeError`, before anything is sent, if an event cannot be sent at all.
   */
  async emitMany(events: Iterable<NewEvent>): Promise<Result[]> {
    const submissions = [];
    for (const event of events) submissions.push(await encode(event));
    return emitBatches(this.#post, submissions, this.#retryFor);
  }

  readonly #post = async (path: string, body: Uint8Array): Promise<Answer | Lost> => {
    await this.#acquire();
    const aborter = new AbortController();
    const timer = setTimeout(() => aborter.abort(), this.#timeout * 1000);
    try {
      const response = await fetch(this.#url + path, {
        method: "POST",
        headers: {
          Authorization: `Bearer ${this.#key}`,
          "Content-Type": "application/json",
          "User-Agent": "winnerr-webhooks-sdk-js",
        },
        body: body as BodyInit,
        redirect: "manual", // a POST that is redirected becomes a GET, or takes the key elsewhere
        signal: aborter.signal,
      });
      const { status, headers } = response;
      return { status, headers, body: new Uint8Array(await response.arrayBuffer()) };
    } catch (error) {
      if (aborter.signal.aborted) return new Lost(`no answer within ${this.#timeout} s`);
      const why = reasonOf(error);
      if (CERTIFICATE.test(why)) throw this.#untrusted(why);
      return new Lost(why);
    } finally {
      clearTimeout(timer);
      this.#release();
    }
  };

  async #acquire(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  #release(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }

  #untrusted(why: string): EmitError {
    return new EmitError(
      `The certificate of ${new URL(this.#url).host} cannot be trusted: ${why}. For a ` +
        "certificate of your own authority, set NODE_EXTRA_CA_CERTS (Node.js, Bun) or DENO_CERT.",
    );
  }
}

/** Return where paths of the API are appended to. */
function baseUrl(url: string): string {
  let parsed: URL | null = null;
  try {
    parsed = new URL(url);
  } catch {
    // It is refused below.
  }
  if (parsed === null || !["http:", "https:"].includes(parsed.protocol)) {
    throw new RangeError(
      "url is the API's address, such as https://webhooks.example.com; " +
        `this is ${JSON.stringify(url)}.`,
    );
  }
  return parsed.origin + parsed.pathname.replace(/\/+$/, "");
}

/** Say why fetch failed. Node.js says it in the error's cause, other runtimes in the error. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = (error.cause ?? error) as { code?: unknown; message?: unknown };
  const message = String(inner.message || error.message);
  return typeof inner.code === "string" && !message.includes(inner.code)
    ? `${message}, ${inner.code}`
    : message;
}
