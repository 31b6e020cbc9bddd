/**
 * What can go wrong when an event is emitted.
 *
 *     EmitError
 *     ├── Refused        the API will not have this event; repeating it changes nothing
 *     └── Unavailable    the API could not be reached, or could not do it now; repeat it later
 *
 * Arguments that no event can have, such as data that is no JSON, are `RangeError` or `TypeError`.
 */

import { isObject } from "./event.js";

/** What is wrong with one field. */
export interface FieldError {
  /** A JSON Pointer (RFC 6901) into the event. */
  readonly pointer: string;
  /** A sentence. */
  readonly message: string;
}

/** An event was not accepted, as far as is known. */
export class EmitError extends Error {
  override readonly name: string = "EmitError";
}

/** The API refused the event, or the whole call; the message says what to do. */
export class Refused extends EmitError {
  override readonly name = "Refused";
  /** The HTTP status, such as 422. */
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** What is wrong field by field; pointers lead into the event. */
  readonly errors: readonly FieldError[];

  constructor(status: number, title: string, detail: string, errors: readonly FieldError[] = []) {
    const fields = errors.map((one) => `${one.pointer || "(the whole event)"}: ${one.message}`);
    const text = `${status} ${title}: ${detail}`;
    super(fields.length > 0 ? `${text} [${fields.join("; ")}]` : text);
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.errors = errors;
  }

  /** Read a problem (RFC 9457). */
  static read(problem: Record<string, unknown>, status: number): Refused {
    const errors = Array.isArray(problem["errors"]) ? problem["errors"] : [];
    return new Refused(
      typeof problem["status"] === "number" ? problem["status"] : status,
      String(problem["title"] ?? "Refused"),
      String(problem["detail"] ?? ""),
      errors.filter(isObject).map((one) => ({
        pointer: String(one["pointer"] ?? ""),
        message: String(one["message"] ?? ""),
      })),
    );
  }
}

/**
 * The API did not accept the event in time; it may have, if an answer was lost.
 *
 * Emit it again with the same `id`, and it is accepted once.
 */
export class Unavailable extends EmitError {
  override readonly name = "Unavailable";
  /** The id that the event was sent with, also where the emitter made it. */
  readonly id: string;

  constructor(message: string, id: string) {
    super(`${message} Emit it again with id ${JSON.stringify(id)}: then it is accepted once.`);
    this.id = id;
  }
}
