/** What an emitter says to the API and how it goes on, apart from how bytes are moved. */

import { EmitError, Refused, Unavailable } from "./errors.js";
import { decode, isObject } from "./event.js";
import type { Submission } from "./new-event.js";
import { concat } from "./signatures.js";

const EVENTS = "/api/v1/events";
const BATCH = "/api/v1/events/batch";
const MAX_BATCH_EVENTS = 1_000;
/** Bytes of the largest batch that the API takes. */
const MAX_BATCH = 8 * 1024 * 1024;
/** Seconds between repeats, where the API does not say how long. */
const FIRST_WAIT = 0.1;
const LONGEST_WAIT = 5;
const ACCEPTED = 202;
/** Statuses of a server, or of a proxy before it, that cannot do it now. */
const REPEATABLE = new Set([408, 429, 500, 502, 503, 504]);

/** An event that is stored with its deliveries. */
export interface Accepted {
  /** `evt_…`, as receivers see it. */
  readonly id: string;
  /** Whether an event of this id had been accepted before; then this is its answer. */
  readonly duplicate: boolean;
  /** How many webhooks it is sent to. */
  readonly deliveries: number;
}

/** What became of one event of a batch. Errors are returned, not thrown. */
export type Result = Accepted | EmitError;

/** A response. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** No response came. */
export class Lost {
  constructor(readonly why: string) {}
}

/** Posts a JSON body to a path of the API. */
export type Post = (path: string, body: Uint8Array) => Promise<Answer | Lost>;

/** How long a call is repeated, and how long it waits between. */
class Patience {
  #end = 0;
  #tries = 0;

  constructor(readonly retryFor: number) {
    this.restart();
  }

  /** Count anew: there was progress. */
  restart(): void {
    this.#end = performance.now() + this.retryFor * 1000;
    this.#tries = 0;
  }

  /** Wait before the next try; false, at once, if that would be too late. */
  async wait(reply: Answer | Lost): Promise<boolean> {
    const shortest = Math.min(FIRST_WAIT * 2 ** this.#tries, LONGEST_WAIT);
    this.#tries += 1;
    const asked = reply instanceof Lost ? 0 : retryAfter(reply);
    const milliseconds = Math.max(shortest, asked) * 1000 * (1 + Math.random() / 4);
    if (performance.now() + milliseconds > this.#end) return false;
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    return true;
  }
}

/** Send one event; `Refused` or `Unavailable`. */
export async function emitOne(
  post: Post,
  submission: Submission,
  retryFor: number,
): Promise<Accepted> {
  const patience = new Patience(retryFor);
  for (;;) {
    const reply = await post(EVENTS, submission.body);
    if (isFinal(reply)) return readOne(reply);
    if (!(await patience.wait(reply))) throw new Unavailable(whatHappened(reply), submission.id);
  }
}

/**
 * Send events in as few calls as can be; the result of each, in their order.
 *
 * What could not be stored now is sent again before the next batch goes out. When that has taken
 * `retryFor` seconds without progress, it and all that follows is `Unavailable`. `Refused` when the
 * first call is refused as a whole; a later one is the result of each event that follows.
 */
export async function emitBatches(
  post: Post,
  submissions: readonly Submission[],
  retryFor: number,
): Promise<Result[]> {
  const results = new Map<Submission, Result | NotNow>();
  const patience = new Patience(retryFor);
  for (const batch of batches(submissions)) {
    let waiting = batch;
    while (waiting.length > 0) {
      const reply = await post(BATCH, joinBodies(waiting));
      if (isFinal(reply)) {
        let answered: (Result | NotNow)[];
        try {
          answered = readBatch(reply, waiting.length);
        } catch (error) {
          if (results.size === 0 || !(error instanceof EmitError)) throw error;
          return fill(submissions, results, () => error);
        }
        waiting.forEach((submission, index) => results.set(submission, answered[index]!));
        const left = waiting.filter((submission) => results.get(submission) instanceof NotNow);
        if (left.length < waiting.length) patience.restart();
        waiting = left;
      }
      if (waiting.length > 0 && !(await patience.wait(reply))) {
        const last = results.get(waiting[0]!);
        const why =
          last instanceof NotNow ? `The API answers ${last.message}` : whatHappened(reply);
        return fill(submissions, results, ({ id }) => new Unavailable(why, id));
      }
    }
  }
  return submissions.map((submission) => results.get(submission) as Result);
}

/** Cut a list into batches that the API takes. */
function* batches(submissions: readonly Submission[]): Generator<Submission[]> {
  let batch: Submission[] = [];
  let size = 0;
  for (const submission of submissions) {
    const added = submission.body.length + 1;
    if (batch.length > 0 && (batch.length === MAX_BATCH_EVENTS || size + added >= MAX_BATCH)) {
      yield batch;
      batch = [];
      size = 0;
    }
    batch.push(submission);
    size += added;
  }
  if (batch.length > 0) yield batch;
}

/** An event of a batch that could not be stored now. */
class NotNow {
  constructor(readonly message: string) {}
}

function isFinal(reply: Answer | Lost): reply is Answer {
  return !(reply instanceof Lost) && !REPEATABLE.has(reply.status);
}

/** Return all results; events without one get an error. */
function fill(
  submissions: readonly Submission[],
  results: ReadonlyMap<Submission, Result | NotNow>,
  errorOf: (submission: Submission) => EmitError,
): Result[] {
  return submissions.map((submission) => {
    const result = results.get(submission);
    return result === undefined || result instanceof NotNow ? errorOf(submission) : result;
  });
}

function joinBodies(submissions: readonly Submission[]): Uint8Array {
  const [comma, open, close] = [",", "[", "]"].map((text) => new TextEncoder().encode(text));
  const parts = submissions.flatMap(({ body }, index) => [index > 0 ? comma! : open!, body]);
  return concat([...parts, close!]);
}

function readOne(answer: Answer): Accepted {
  if (answer.status !== ACCEPTED) throw refusal(answer);
  return readAccepted(readJson(answer));
}

function readBatch(answer: Answer, count: number): (Result | NotNow)[] {
  if (answer.status !== ACCEPTED) throw refusal(answer);
  const items = readJson(answer)["results"];
  if (!Array.isArray(items) || items.length !== count || !items.every(isObject)) {
    throw new EmitError("The API's answer to a batch does not have a result for each event.");
  }
  return items.map(readItem);
}

function readItem(item: Record<string, unknown>): Result | NotNow {
  if (!isObject(item["error"])) return readAccepted(item);
  const refused = Refused.read(item["error"], 500);
  return REPEATABLE.has(refused.status) ? new NotNow(refused.message) : refused;
}

function readAccepted({ id, duplicate, deliveries }: Record<string, unknown>): Accepted {
  if (typeof id !== "string" || typeof duplicate !== "boolean" || typeof deliveries !== "number") {
    throw new EmitError(
      "The API's answer lacks id, duplicate or deliveries. Is the URL that of the API?",
    );
  }
  return { id, duplicate, deliveries };
}

function refusal(answer: Answer): EmitError {
  if (answer.headers.get("content-type")?.startsWith("application/problem+json")) {
    return Refused.read(readJson(answer), answer.status);
  }
  return new Refused(
    answer.status,
    "Unexpected answer",
    "This is not an answer of the API. Look whether the emitter's URL is that of Winnerr " +
      "Webhooks, without /api/v1, and what proxies are between.",
  );
}

function readJson(answer: Answer): Record<string, unknown> {
  let found: unknown;
  try {
    found = JSON.parse(decode(answer.body));
  } catch {
    found = null;
  }
  if (isObject(found)) return found;
  throw new EmitError(
    `The answer ${answer.status} holds no JSON object. Is the URL that of the API?`,
  );
}

/** Seconds that the answer asks to wait (RFC 9110, section 10.2.3); 0 if it says nothing. */
function retryAfter(answer: Answer): number {
  const text = answer.headers.get("retry-after")?.trim() ?? "";
  if (/^[0-9]+$/.test(text)) return Number(text);
  if (!text.endsWith("GMT")) return 0;
  const seconds = (Date.parse(text) - Date.now()) / 1000;
  return seconds > 0 ? seconds : 0;
}

function whatHappened(reply: Answer | Lost): string {
  if (reply instanceof Lost) {
    return `The API cannot be reached, or did not answer (${reply.why}).`;
  }
  let detail = "";
  try {
    detail = String(readJson(reply)["detail"] ?? "");
  } catch {
    // A proxy's answer: the status is all there is to say.
  }
  return `The API answers ${reply.status}. ${detail}`.trim();
}
