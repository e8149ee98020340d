// Node: one scenario from a file with `{url, key, steps, files}`; its results on standard output, as JSON.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openFile } from "@atelier/client/node";
import { run } from "./runner.mjs";

const job = JSON.parse(await readFile(process.argv[2], "utf8"));
console.log(JSON.stringify(await run(job, (name) => openFile(join(job.files, name)))));
