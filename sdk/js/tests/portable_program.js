// The portable checks as a program: portable_program.js VECTORS CONTEXT, both of them JSON.

import { readFileSync } from "node:fs";
import { argv } from "node:process";

import { runAll } from "./portable_main.js";

const { vectors, ed25519 } = JSON.parse(readFileSync(argv[2], "utf-8"));
console.log(JSON.stringify(await runAll([...vectors, ...ed25519], JSON.parse(argv[3]))));
