/** Tests of answers that are not the service's: a proxy's page in the place of JSON. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AtelierError, InvalidRequestError, UnreadableResponseError } from "../src/errors.ts";
import { readable } from "../src/responses.ts";

const create = new Request("http://atelier.example/v1/generations", {
  method: "POST",
  headers: { "Idempotency-Key": "order-1" },
});
const read = new Request("http://atelier.example/v1/credits");

test("a page in the place of JSON is an error of this client that names the key", async () => {
  const page = new Response("<html>Please log in</html>", { headers: { "Content-Type": "text/html" } });

  await assert.rejects(readable(create, page), (error) => {
    assert.ok(error instanceof UnreadableResponseError && error instanceof AtelierError);
    assert.equal(error.idempotencyKey, "order-1");
    assert.match(error.message, /POST .*generations: 200 text\/html is not JSON/);
    return true;
  });
});

test("JSON that was cut off is one too, and a read has no key", async () => {
  const cut = new Response('{"available": 1', { headers: { "Content-Type": "application/json" } });

  await assert.rejects(readable(read, cut), (error) => {
    assert.ok(error instanceof UnreadableResponseError);
    assert.equal(error.idempotencyKey, null);
    return true;
  });
});

test("what is readable is passed on with its status and headers, also without a body", async () => {
  const made = await readable(create, new Response('{"id":"1"}', { status: 201, headers: { Location: "/1" } }));
  const deleted = await readable(read, new Response(null, { status: 204 }));

  assert.deepEqual([made.status, made.headers.get("Location"), await made.json()], [201, "/1", { id: "1" }]);
  assert.deepEqual([deleted.status, await deleted.text()], [204, ""]);
});

test("a refusal stays a refusal", async () => {
  const refused = new Response('{"code":"invalid_request"}', { status: 400 });

  await assert.rejects(readable(create, refused), InvalidRequestError);
});
