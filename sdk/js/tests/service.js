// `winnerr-webhooks serve` on SQLite, as its own process.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { listen } from "./scripted_api.js";

export const REPOSITORY = fileURLToPath(new URL("../../../", import.meta.url));
/** The Python that the server's packages are installed for. */
export const SERVER_PYTHON = process.env.SERVER_PYTHON ?? join(REPOSITORY, ".venv/bin/python");
/** Why tests with the server cannot run here; false where they can. */
export const NO_SERVER = existsSync(SERVER_PYTHON)
  ? false
  : "set SERVER_PYTHON to a Python that can run the server";

export class Service {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "winnerr-sdk-js-"));
  }

  async start() {
    if (this.port === undefined) {
      const probe = createServer();
      this.port = new URL(await listen(probe)).port;
      await new Promise((resolve) => probe.close(resolve));
    }
    this.url = `http://127.0.0.1:${this.port}`;
    this.options = {
      cwd: this.folder,
      env: {
        ...process.env,
        PYTHONPATH: join(REPOSITORY, "src"),
        WINNERR_WEBHOOKS_DATABASE_URL: `sqlite:///${this.folder}/service.db`,
        WINNERR_WEBHOOKS_PORT: this.port,
        WINNERR_WEBHOOKS_ALLOW_HTTP: "true",
        WINNERR_WEBHOOKS_ALLOW_NETWORKS: "127.0.0.0/8",
      },
    };
    this.process = spawn(SERVER_PYTHON, ["-m", "winnerr_webhooks", "serve"], {
      ...this.options,
      stdio: ["ignore", "pipe", "pipe"],
    });
    await this.#started();
    this.key ??= this.newKey();
  }

  /** Wait for the line with the address, and read on, so that the process never waits for us. */
  #started() {
    const seen = [];
    return new Promise((resolve, reject) => {
      for (const input of [this.process.stdout, this.process.stderr]) {
        createInterface({ input }).on("line", (line) => {
          seen.push(line);
          if (/http:\/\/127\.0\.0\.1:\d+/.test(line)) resolve();
        });
      }
      this.process.once("exit", () => reject(new Error(`serve ended: ${seen.join("\n")}`)));
    });
  }

  newKey(...options) {
    const words = ["-m", "winnerr_webhooks", "keys", "create", "--name", "test", ...options];
    return execFileSync(SERVER_PYTHON, words, {
      ...this.options,
      encoding: "utf-8",
      stdio: "pipe",
    }).trim();
  }

  async end(signal) {
    const exited = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill(signal);
    await exited;
  }

  async stop() {
    await this.end("SIGTERM");
    rmSync(this.folder, { recursive: true });
  }

  async call(method, path, body) {
    const answer = await fetch(this.url + path, {
      method,
      headers: { Authorization: `Bearer ${this.key}`, "Content-Type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${text}`);
    return text && JSON.parse(text);
  }
}
