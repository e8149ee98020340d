/** Follows one generation by its event stream. A stream that breaks off is resumed behind the last event that came;
 * where something on the way holds streams back, the generation is polled. */
import { pause, Problem, problemOf } from "./api.js";
import { ENDED } from "./words.js";

/** The service sends something every 15 seconds: a connection that is silent longer is dead. */
const SILENCE_MS_MAX = 40_000;
const FRUITLESS_STREAMS_MAX = 2;
const RECONNECT_MS = 700;
const POLL_MS = 1_500;

/** Each change as `{status, progress, …}`, the last one with the whole generation. `onLink` hears "live" and "lost".
 * Rejects with Problem where a refusal stays, or with the reason of the signal. */
export async function* follow(api, id, signal, onLink) {
  let [lastEventId, fruitless] = [null, 0];
  for (;;) {
    let isFruitful = false;
    if (fruitless < FRUITLESS_STREAMS_MAX) {
      for await (const event of streamOnce(api, id, lastEventId, signal, onLink)) {
        isFruitful = true;
        lastEventId = event.id ?? lastEventId;
        yield event.data;
        if (ENDED.has(event.data.status)) return;
      }
    }
    fruitless = isFruitful ? 0 : fruitless + 1;
    if (!isFruitful) {
      const now = await poll(api, id, signal, onLink);
      if (now) yield now;
      if (now && ENDED.has(now.status)) return;
    }
    await pause(fruitless < FRUITLESS_STREAMS_MAX ? RECONNECT_MS : POLL_MS, signal);
  }
}

async function poll(api, id, signal, onLink) {
  try {
    const generation = await api.get(`/v1/generations/${id}`, signal);
    onLink("live");
    return generation;
  } catch (error) {
    if (signal.aborted || isFinal(error)) throw error;
    onLink("lost");
    return null;
  }
}

/** The events of one connection; ends where it breaks off. */
async function* streamOnce(api, id, lastEventId, signal, onLink) {
  const silence = new AbortController();
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE_MS_MAX);
  };
  heard();
  try {
    const headers = lastEventId === null ? {} : { "Last-Event-ID": lastEventId };
    const path = `/v1/generations/${id}/events`;
    const response = await api.open("GET", path, { headers, signal: AbortSignal.any([signal, silence.signal]) });
    if (response.status >= 400) throw await problemOf(response);
    onLink("live");
    if (response.status === 200) yield* eventsOf(response.body, heard);
  } catch (error) {
    if (signal.aborted || isFinal(error)) throw error;
    onLink("lost");
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

const isFinal = (error) => error instanceof Problem && error.status < 500 && ![408, 429].includes(error.status);

/** The events of a stream of bytes, however they are cut, as `{id, data}`. The framing is that of the HTML standard. */
export async function* eventsOf(body, onBytes = () => {}) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let fields = {};
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    onBytes();
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    for (const line of lines.map((text) => text.replace(/\r$/, ""))) {
      if (line) {
        const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
        fields[name] = name === "data" && "data" in fields ? `${fields.data}\n${value}` : value;
        continue;
      }
      if ("data" in fields) yield { id: fields.id ?? null, data: { status: fields.event, ...JSON.parse(fields.data) } };
      fields = {};
    }
  }
}
