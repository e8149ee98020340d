// Does one scenario with the TypeScript client, in Node or in a browser, and gives what each step gave; the test compares.
import { Atelier, AtelierError, isLast, ProblemError } from "@atelier/client";

// `open(name)` gives a File of the scenario's files.
export async function run({ url, key, steps, month }, open) {
  const atelier = new Atelier({ apiKey: key, baseUrl: url });
  const named = { month };
  const results = [];
  for (const step of steps.values()) {
    const result = await perform(atelier, url, open, filled(step, named));
    named[step.as ?? ""] = result;
    results.push(result);
  }
  return results;
}

async function perform(atelier, url, open, step) {
  try {
    const special = SPECIAL[step.do];
    return (await (special ? special({ atelier, url, open, step }) : plain(atelier, step))) ?? null;
  } catch (error) {
    if (!(error instanceof AtelierError)) throw error;
    const { status, code, title } = error;
    return { raised: error.name, ...(error instanceof ProblemError ? { status, code, title } : {}) };
  }
}

const SPECIAL = {
  async create({ atelier, step }) {
    return atelier.create(step.with, { idempotencyKey: step.key, simulate: step.simulate });
  },
  async wait({ atelier, step }) {
    return atelier.wait(step.of, step.timeout_s ? { timeoutMs: step.timeout_s * 1000 } : {});
  },
  async subscribe({ atelier, step }) {
    const events = await collected(atelier.subscribe(step.of));
    const ids = events.flatMap((event) => event.id ?? []);
    const last = events.at(-1);
    return { last: isLast(last) && last.status, repeated: ids.length - new Set(ids).size };
  },
  async download({ atelier, step }) {
    const digest = await crypto.subtle.digest("SHA-256", await (await atelier.download(step.of)).arrayBuffer());
    const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
    return { checksum: `sha256:${hex}` };
  },
  async statement({ atelier, step }) {
    const content = await (await atelier.statement(step.of, step.with ?? {})).text();
    if (content.startsWith("<!doctype html>")) return { page: true };
    const lines = content.trimEnd().split("\n");
    const [first, last] = [JSON.parse(lines[0]), JSON.parse(lines.at(-1))];
    const closing = "granted" in last.statement.closing ? "granted" : null;
    return { type: first.type, complete: first.complete, closing, signed: "signature" in last };
  },
  async upload({ atelier, open, step }) {
    if (step.with.file) return atelier.upload(await open(step.with.file));
    const bytes = new Uint8Array(await (await open(step.with.bytes)).arrayBuffer());
    return atelier.upload(bytes, { filename: step.with.bytes });
  },
  faults: ({ url, step }) => askProxy(`${url}/_faults`, step.with),
  requests: ({ url, step }) => askProxy(`${url}/_requests`, step.with),
};

// A method that takes an id or the fields of a request.
async function plain(atelier, step) {
  const { page_size: pageSize, ...fields } = step.with ?? {};
  const given = step.of ?? (pageSize === undefined ? step.with : { ...fields, pageSize });
  const result = given === undefined ? atelier[step.do]() : atelier[step.do](given);
  return Symbol.asyncIterator in result ? collected(result) : await result;
}

async function collected(items) {
  const all = [];
  for await (const item of items) all.push(item);
  return all;
}

async function askProxy(url, body) {
  const headers = { "Content-Type": "application/json" };
  return (await fetch(url, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

// The same with each `$name.path` replaced by what an earlier step gave.
function filled(value, named) {
  if (Array.isArray(value)) return value.map((inner) => filled(inner, named));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, filled(inner, named)]));
  }
  if (typeof value !== "string") return value;
  const whole = /^\$([\w.]+)$/.exec(value);
  if (whole) return found(whole[1], named);
  return value.replace(/\$(\w+(?:\.\w+)*)/g, (_, path) => String(found(path, named)));
}

function found(path, named) {
  return path.split(".").reduce((value, part) => value[part], named);
}
