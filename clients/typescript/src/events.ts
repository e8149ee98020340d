/** Server-sent events, from bytes to `Event`. Pure; the framing is that of the HTML standard. */
import type { Generation } from "./models.ts";

/** A change of a generation. `id` is null where the service gives it no number, or where it was polled. */
export interface Event {
  readonly id: string | null;
  readonly status: string;
  readonly progress: number;
  /** What the service says about it; the whole generation once it has ended. */
  readonly data: Readonly<Record<string, unknown>>;
}

export const DELETED = "deleted";
/** The outputs can be taken, and are charged then. */
export const DELIVERING = "delivering";
const LAST: ReadonlySet<string> = new Set(["succeeded", "failed", "cancelled", "expired", "rejected", DELETED]);

/** Whether nothing follows. */
export function isLast(event: Event): boolean {
  return LAST.has(event.status);
}

/** The event that a generation, as it is now, amounts to. */
export function eventOf(generation: Generation): Event {
  return { id: null, status: generation.status, progress: generation.progress, data: { ...generation } };
}

/** The events of a stream of bytes, however they are cut. */
export async function* eventsOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Event> {
  const decoder = new TextDecoder();
  let rest = "";
  let fields = new Map<string, string>();
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.map((text) => text.replace(/\r$/, ""))) {
      if (line) {
        addField(fields, line);
      } else {
        const event = toEvent(fields);
        fields = new Map();
        if (event) yield event;
      }
    }
  }
}

/** A comment has no name and is never looked at. */
function addField(fields: Map<string, string>, line: string): void {
  const [, name = line, value = ""] = /^([^:]*): ?(.*)$/s.exec(line) ?? [];
  const known = fields.get(name);
  fields.set(name, name === "data" && known !== undefined ? `${known}\n${value}` : value);
}

function toEvent(fields: ReadonlyMap<string, string>): Event | null {
  const text = fields.get("data");
  if (text === undefined) return null;
  const data = JSON.parse(text) as Record<string, unknown>;
  const status = fields.get("event") ?? String(data["status"] ?? "");
  return { id: fields.get("id") ?? null, status, progress: Number(data["progress"] ?? 0), data };
}
