// The portable checks, on the Node.js at hand.

import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { CHECKS } from "./check.js";
import "./portable_emit.js";
import { checkVectors } from "./portable_verify.js";
import { startScriptedApi } from "./scripted_api.js";

const { vectors, ed25519 } = JSON.parse(
  readFileSync(new URL("../../vectors.json", import.meta.url), "utf-8"),
);
checkVectors([...vectors, ...ed25519]);

let api;
before(async () => {
  api = await startScriptedApi();
});
after(() => api.stop());

for (const [name, run] of CHECKS) test(name, () => run(api));
