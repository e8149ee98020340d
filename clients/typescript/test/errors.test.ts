/** Tests of what a refusal says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { problemOf } from "../src/errors.ts";

test("a refusal without a code, as a proxy sends it, is named by its status in its code and its message", async () => {
  const error = await problemOf(new Response("<html>", { status: 502 }));

  assert.equal(error.code, "http_502");
  assert.match(error.message, /^502 http_502: <html>/);
});
