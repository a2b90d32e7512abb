// Types of the API from the server's own OpenAPI document: `src/api/schema.d.ts` (not in git: it is made).
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const own = `${root}.venv/bin/python`;
const python = process.env.PYTHON ?? (existsSync(own) ? own : "python3");
const document = execFileSync(python, ["-m", "web.api.openapi"], {
  cwd: root,
  encoding: "utf8",
  maxBuffer: 16 * 1024 * 1024,
  timeout: 60_000,
});
const target = new URL("../src/api/schema.d.ts", import.meta.url);
await writeFile(target, astToString(await openapiTS(JSON.parse(document))));
console.log(`wrote ${fileURLToPath(target)}`);
