/** Tests of the client's pauses between attempts, and of one key for all of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { canRepeat, DEFAULT_POLICY, pauseMs, retryAfterMs } from "../src/retries.ts";
import { retrying } from "../src/transport.ts";

const POLICY = { ...DEFAULT_POLICY, retriesMax: 4, backoffMs: 500, backoffMaxMs: 3_000 };
const NOW_MS = Date.UTC(2026, 0, 1, 12);

test("a pause doubles with each attempt up to its limit and then there is none", () => {
  const pauses = [0, 1, 2, 3, 4].map((attempt) => pauseMs(POLICY, attempt, null, 1));

  assert.deepEqual(pauses, [500, 1_000, 2_000, 3_000, null]);
});

test("chance shortens a pause to half at most", () => {
  assert.equal(pauseMs(POLICY, 1, null, 0), 500);
});

test("a retry never comes before Retry-After has passed, and one beyond the limit never comes", () => {
  assert.equal(pauseMs(POLICY, 0, 7_000, 0), 7_000);
  assert.equal(pauseMs(POLICY, 0, 7_000, 0.5), 7_250);
  assert.equal(pauseMs(POLICY, 0, 61_000, 0), null);
});

test("what the same request would meet again is not repeated", () => {
  const repeated = [[503, "unavailable"], [503, "outcome_unknown"], [429, "rate_limited"], [409, "request_in_progress"]] as const;
  const final = [[409, "conflict"], [503, "provider_unavailable"], [429, "uploads_full"], [402, "insufficient_credits"]] as const;

  assert.deepEqual(repeated.map(([status, code]) => canRepeat(status, code)), [true, true, true, true]);
  assert.deepEqual(final.map(([status, code]) => canRepeat(status, code)), [false, false, false, false]);
});

test("Retry-After is read as seconds or as a date and is never an error", () => {
  const texts = [null, "5", "Thu, 01 Jan 2026 12:00:30 GMT", "Thu, 01 Jan 2026 11:00:00 GMT", "soon", "-5", "9".repeat(400), "٣"];

  assert.deepEqual(
    texts.map((text) => retryAfterMs(text, NOW_MS)),
    [null, 5_000, 30_000, 0, null, null, null, null],
  );
});

test("a caller that aborts between two attempts is not kept waiting", async () => {
  const caller = new AbortController();
  const refuse = async () => {
    queueMicrotask(() => caller.abort(new Error("enough")));
    return new Response("{}", { status: 503, headers: { "Retry-After": "60" } });
  };

  const call = retrying(refuse, DEFAULT_POLICY)(new Request("http://atelier.example", { signal: caller.signal }));

  await assert.rejects(call, { message: "enough" });
});
