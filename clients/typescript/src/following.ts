/** Follows one generation to its end: by its event stream, resumed where it broke off, else by polling. */
import { problemOf, WaitTimeoutError } from "./errors.ts";
import { type Event, eventOf, eventsOf, isLast } from "./events.ts";
import type { Generation } from "./models.ts";
import { canRepeat, sleep } from "./retries.ts";

/** The service speaks every 15 seconds: a connection that is silent longer is dead. */
const SILENCE_MS_MAX = 40_000;
/** After so many streams without an event the generation is polled: something between us holds streams back. */
const FRUITLESS_STREAMS_MAX = 2;
const RECONNECT_MS = 500;
const POLL_MS = 1_000;

/** What following needs of the client. */
export interface Source {
  /** One attempt at the stream of a generation. */
  readonly openStream: (id: string, lastEventId: string | null, signal: AbortSignal) => Promise<Response>;
  readonly get: (id: string, signal: AbortSignal) => Promise<Generation>;
}

export interface FollowOptions {
  /** Absent: however long it takes. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Each change, the last one with the whole generation. Rejects with WaitTimeoutError, ProblemError,
 * ConnectionFailedError, or the reason of the signal. */
export async function* follow(source: Source, id: string, options: FollowOptions): AsyncGenerator<Event> {
  const { timeoutMs } = options;
  const timeout = new AbortController();
  const timer =
    timeoutMs === undefined ? undefined : setTimeout(() => timeout.abort(new WaitTimeoutError(id, timeoutMs)), timeoutMs);
  const signal = AbortSignal.any([timeout.signal, ...(options.signal ? [options.signal] : [])]);
  try {
    yield* changes(source, id, signal);
  } finally {
    clearTimeout(timer);
  }
}

async function* changes(source: Source, id: string, signal: AbortSignal): AsyncGenerator<Event> {
  let [fruitless, seen, lastEventId] = [0, "", null as string | null];
  for (;;) {
    let isFruitful = false;
    if (fruitless < FRUITLESS_STREAMS_MAX) {
      for await (const event of streamOnce(source, id, lastEventId, signal)) {
        isFruitful = true;
        [seen, lastEventId] = [keyOf(event), event.id ?? lastEventId];
        yield event;
        if (isLast(event)) return;
      }
    }
    fruitless = isFruitful ? 0 : fruitless + 1;
    if (!isFruitful) {
      const event = eventOf(await source.get(id, signal));
      if (keyOf(event) !== seen || isLast(event)) yield event;
      if (isLast(event)) return;
      seen = keyOf(event);
    }
    await sleep(fruitless < FRUITLESS_STREAMS_MAX ? RECONNECT_MS : POLL_MS, signal);
  }
}

/** The events of one connection; ends where it breaks. Rejects with ProblemError where a refusal stays. */
async function* streamOnce(
  source: Source,
  id: string,
  lastEventId: string | null,
  signal: AbortSignal,
): AsyncGenerator<Event> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS_MAX);
  const onBytes = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE_MS_MAX);
  };
  try {
    const response = await source.openStream(id, lastEventId, AbortSignal.any([signal, silence.signal]));
    if (response.status >= 400) {
      const refusal = await problemOf(response);
      if (!canRepeat(refusal.status, refusal.code)) throw new Refused(refusal);
    }
    if (response.status === 200 && response.body) yield* eventsOf(bytesOf(response.body, onBytes));
  } catch (error) {
    if (error instanceof Refused) throw error.cause;
    if (signal.aborted) throw signal.reason;
  } finally {
    clearTimeout(timer);
    silence.abort(); // a consumer that leaves early closes the connection
  }
}

/** A refusal that a new connection would meet again, on its way past what is taken for a broken connection. */
class Refused extends Error {
  constructor(cause: unknown) {
    super("refused", { cause });
  }
}

async function* bytesOf(body: ReadableStream<Uint8Array>, onBytes: () => void): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    onBytes();
    yield next.value;
  }
}

const keyOf = (event: Event) => `${event.status} ${event.progress}`;
