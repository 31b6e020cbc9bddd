/** The headers of a request, whatever the framework hands over. */

type HeaderValue = string | readonly string[] | undefined;

/**
 * A `Headers` object, an object such as `request.headers` of Node.js, or pairs; names in any case,
 * a list for a header that came more than once.
 */
export type HeadersLike =
  | Headers
  | Iterable<readonly [string, string | readonly string[]]>
  | { readonly [name: string]: HeaderValue };

/** Looks headers up by name, in any case, and notices those that came more than once. */
export class RequestHeaders {
  readonly #values = new Map<string, string[]>();

  constructor(headers: HeadersLike) {
    if (typeof headers !== "object" || headers === null) {
      throw new TypeError("headers are the headers of the request: an object, Headers, or pairs.");
    }
    const pairs: Iterable<readonly [string, HeaderValue]> =
      Symbol.iterator in headers
        ? (headers as Iterable<readonly [string, HeaderValue]>)
        : Object.entries(headers);
    for (const [name, value] of pairs) {
      if (value === undefined) continue;
      const kept = this.#values.get(name.toLowerCase()) ?? [];
      for (const one of typeof value === "string" ? [value] : value) kept.push(trim(one));
      this.#values.set(name.toLowerCase(), kept);
    }
  }

  /** Return every value of a header, without the space around it. */
  all(name: string): readonly string[] {
    return this.#values.get(name.toLowerCase()) ?? [];
  }

  /** Return the first value of a header. */
  first(name: string): string | null {
    return this.all(name)[0] ?? null;
  }
}

/** Remove space and tab only: `String.trim` also removes what belongs to the value. */
function trim(value: string): string {
  let [start, end] = [0, value.length];
  while (start < end && isBlank(value[start])) start++;
  while (start < end && isBlank(value[end - 1])) end--;
  return value.slice(start, end);
}

function isBlank(character: string | undefined): boolean {
  return character === " " || character === "\t";
}
