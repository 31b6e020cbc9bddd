// Assertions and a list of checks that run wherever JavaScript does.

/** All checks: [name, function of the context]. */
export const CHECKS = [];

/** Add a check; its name is a sentence of behaviour. */
export function check(name, run) {
  CHECKS.push([name, run]);
}

export function equal(actual, expected, about = "") {
  const [one, other] = [actual, expected].map((value) => JSON.stringify(value));
  if (one !== other) throw new Error(`${about} ${one} is not ${other}`);
}

export function isTrue(value, about = "") {
  if (value !== true) throw new Error(`${about} is ${value}`);
}

/** Return the error of this class that the call ends with; its text must match. */
export async function fails(call, kind, text = /./) {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof kind)) throw error;
    if (!text.test(error.message)) throw new Error(`the text is ${error.message}`);
    return error;
  }
  throw new Error(`there is no ${kind.name}`);
}
