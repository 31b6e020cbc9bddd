/** Web Crypto, on every runtime that has it. */

/** Return `globalThis.crypto`, or on Node.js 18 its equal in `node:crypto`. */
export async function webCrypto(): Promise<Crypto> {
  if (globalThis.crypto?.subtle !== undefined) return globalThis.crypto;
  // The name is put together at run time, so that no bundler looks for a module of Node.js.
  const name = ["node", "crypto"].join(":");
  try {
    const { webcrypto } = await import(/* webpackIgnore: true */ /* @vite-ignore */ name);
    return webcrypto as Crypto;
  } catch {
    throw new Error("This runtime has no Web Crypto (crypto.subtle). Use Node.js 18 or newer.");
  }
}
