// Prints what AsyncAPI's own parser finds wrong with the document in a file, a line each.
// Its exit status is 1 if anything is an error or a warning; hints are left out.
import { readFileSync } from "node:fs";
import { DiagnosticSeverity, Parser } from "@asyncapi/parser/cjs/index.js";

const found = await new Parser().validate(readFileSync(process.argv[2], "utf-8"));
const wrong = found.filter((one) => one.severity <= 1);
for (const one of wrong) console.log(`${one.code} at /${one.path.join("/")}: ${one.message}`);
process.exit(wrong.length ? 1 : 0);
