// Runs all portable checks and says how they went: on Deno and Bun as a program, on Workers as a module.

import { CHECKS } from "./check.js";
import "./portable_emit.js";
import { checkVectors } from "./portable_verify.js";

/** Run all checks; the names of those that passed, and what failed. */
export async function runAll(vectors, context) {
  checkVectors(vectors);
  const passed = [];
  const failures = [];
  for (const [name, run] of CHECKS) {
    try {
      await run(context);
      passed.push(name);
    } catch (error) {
      failures.push(`${name}: ${error?.stack ?? error}`);
    }
  }
  return { passed, failures };
}

/** A Worker: POST vectors and context, and get the result. */
export default {
  async fetch(request) {
    const { vectors, context } = await request.json();
    return Response.json(await runAll(vectors, context));
  },
};
