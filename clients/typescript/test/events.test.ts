/** Tests of the event stream's parser. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventsOf, isLast } from "../src/events.ts";

const STREAM = new TextEncoder().encode(
  'retry: 2000\nid: 41\nevent: queued\ndata: {"status":"queued","progress":0}\n\n' +
    ": still here\n\n" +
    'id: 42\r\nevent: rendering\r\ndata: {"status":"rendering",\r\ndata: "progress":50}\r\n\r\n' +
    'event: succeeded\ndata: {"status":"succeeded","progress":100,"id":"\u2028"}\n\n' +
    "id: 44\nevent: unfinished\n",
);
const EVENTS = [["41", "queued", 0], ["42", "rendering", 50], [null, "succeeded", 100]];

for (const size of [1, 2, 7, 1_000]) {
  test(`events are the same however the bytes are cut: pieces of ${size}`, async () => {
    const events = [];
    for await (const event of eventsOf(pieces(size))) events.push(event);

    assert.deepEqual(events.map((event) => [event.id, event.status, event.progress]), EVENTS);
    assert.equal(events.at(-1)!.data["id"], "\u2028");
  });
}

test("nothing follows a final event, and others follow an unknown status of a newer service", () => {
  const last = (status: string) => isLast({ id: null, status, progress: 0, data: {} });

  assert.deepEqual(["succeeded", "failed", "cancelled", "expired", "rejected", "deleted"].map(last), Array(6).fill(true));
  assert.equal(last("paused"), false);
});

async function* pieces(size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < STREAM.length; at += size) yield STREAM.slice(at, at + size);
}
