// The package as it is published, installed into an empty folder, on every runtime at hand.
//
// `npm ci` in ../runtimes installs Deno, Bun, workerd, and the oldest and the newest Node.js.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import { startScriptedApi } from "./scripted_api.js";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const PACKAGE = join(HERE, "..");
const VECTORS = join(PACKAGE, "../vectors.json");
const RUNTIMES = join(PACKAGE, "runtimes/node_modules");
const CPU = process.arch === "arm64" ? "aarch64" : process.arch; // as Bun names it
const NOT_INSTALLED = "not installed: run npm ci in sdk/js/runtimes";
const PROGRAM_FILES = [
  "check.js",
  "portable_emit.js",
  "portable_verify.js",
  "portable_main.js",
  "portable_program.js",
];
const folder = mkdtempSync(join(tmpdir(), "winnerr-sdk-js-"));
let api;

before(async () => {
  api = await startScriptedApi();
  const quiet = { cwd: folder, stdio: "pipe", encoding: "utf-8" };
  const pack = ["pack", PACKAGE, "--ignore-scripts", "--silent", "--pack-destination", folder];
  const tarball = execFileSync("npm", pack, quiet).trim();
  writeFileSync(join(folder, "package.json"), '{"private": true, "type": "module"}');
  const install = [
    "install",
    "--offline",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    `./${tarball}`,
  ];
  execFileSync("npm", install, quiet);
  for (const file of PROGRAM_FILES) copyFileSync(join(HERE, file), join(folder, file));
});

after(async () => {
  await api.stop();
  rmSync(folder, { recursive: true });
});

function context() {
  const { apiUrl, closedUrl, untrustedUrl } = api;
  return { apiUrl, closedUrl, untrustedUrl };
}

/** Run a program in the folder; what it writes. */
function run(program, words) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    const written = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"])
      child[name].on("data", (chunk) => (written[name] += chunk));
    child.on("error", reject);
    child.on("close", (status) => {
      if (status === 0) resolve(written.stdout);
      else reject(new Error(`${program} ended with ${status}: ${written.stdout}${written.stderr}`));
    });
  });
}

function verdict(t, name, { passed, failures }) {
  for (const one of passed) {
    const [, vector] = /^vector (\w+): /.exec(one) ?? [];
    if (vector) t.diagnostic(`${name}: vector ${vector} passed`);
  }
  t.diagnostic(`${passed.length} checks passed, ${failures.length} failed`);
  assert.deepEqual(failures, []);
  assert.ok(passed.length > 200);
}

function checkProgram(name, program, options) {
  const skip = existsSync(program) ? false : NOT_INSTALLED;
  test(`${name} runs all portable checks`, { skip }, async (t) => {
    t.diagnostic((await run(program, ["--version"])).trim().split("\n")[0]);
    const output = await run(program, [
      ...options,
      "portable_program.js",
      VECTORS,
      JSON.stringify(context()),
    ]);
    verdict(t, name, JSON.parse(output.trim().split("\n").at(-1)));
  });
}

checkProgram("Node.js at hand", process.execPath, []);
for (const version of [18, 26])
  checkProgram(`Node ${version}`, join(RUNTIMES, `node${version}-${process.arch}`, "bin/node"), []);
checkProgram("Deno", join(RUNTIMES, ".bin/deno"), [
  "run",
  "--allow-net",
  "--allow-read",
  "--allow-env",
  "--no-check",
]);
checkProgram("Bun", join(RUNTIMES, `@oven/bun-linux-${CPU}`, "bin/bun"), ["run"]);

const MINIFLARE = join(RUNTIMES, "miniflare/dist/src/index.js");
const noMiniflare = existsSync(MINIFLARE) ? false : NOT_INSTALLED;

test("workerd (Cloudflare Workers) runs all portable checks", { skip: noMiniflare }, async (t) => {
  const { Miniflare } = await import(pathToFileURL(MINIFLARE));
  const worker = new Miniflare({
    compatibilityDate: "2024-09-01",
    modules: [...workerModules()],
  });
  try {
    const { vectors: hmac, ed25519 } = JSON.parse(readFileSync(VECTORS, "utf-8"));
    const vectors = [...hmac, ...ed25519];
    // Workers do not say why a connection failed, so an untrusted certificate is no error of its own.
    const body = JSON.stringify({ vectors, context: { ...context(), untrustedUrl: null } });
    const answer = await worker.dispatchFetch("http://worker/", { method: "POST", body });
    verdict(t, "Workers", await answer.json());
  } finally {
    await worker.dispose();
  }
});

/** The checks and the package's modules, as a bundler for Workers finds them. */
function* workerModules() {
  for (const file of ["portable_main.js", ...PROGRAM_FILES.slice(0, 3)]) {
    const source = readFileSync(join(folder, file), "utf-8");
    const contents = source.replace(
      /"@winnerr\/webhooks-sdk(?:\/(\w+))?"/g,
      (_, name) => `"./sdk/${name ?? "index"}.js"`,
    );
    yield { type: "ESModule", path: file, contents };
  }
  const dist = join(folder, "node_modules/@winnerr/webhooks-sdk/dist");
  for (const file of readdirSync(dist).filter((name) => name.endsWith(".js"))) {
    yield {
      type: "ESModule",
      path: `sdk/${file}`,
      contents: readFileSync(join(dist, file), "utf-8"),
    };
  }
}

const noRequire = process.features.require_module
  ? false
  : "this Node.js cannot require ES modules";

test("it can be required from CommonJS", { skip: noRequire }, async () => {
  writeFileSync(
    join(folder, "common.cjs"),
    'console.log(typeof require("@winnerr/webhooks-sdk").Webhook);',
  );
  assert.equal((await run(process.execPath, ["common.cjs"])).trim(), "function");
});

test("it has no dependency, and holds its build, license and README alone", () => {
  const installed = join(folder, "node_modules/@winnerr/webhooks-sdk");
  const { dependencies, peerDependencies } = JSON.parse(
    readFileSync(join(installed, "package.json"), "utf-8"),
  );
  assert.deepEqual([dependencies, peerDependencies], [undefined, undefined]);
  assert.deepEqual(readdirSync(installed).sort(), ["LICENSE", "README.md", "dist", "package.json"]);
});
