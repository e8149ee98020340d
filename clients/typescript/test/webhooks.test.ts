/** Tests of the webhook verification. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { WebhookVerificationError } from "../src/errors.ts";
import { verifyWebhook } from "../src/webhooks.ts";

const SECRET = `whsec_${Buffer.from("twenty-four bytes, or so").toString("base64")}`;
const OTHER = `whsec_${Buffer.from("another one, just as long").toString("base64")}`;
const BODY = '{"type":"generation.succeeded","timestamp":"2026-01-01T12:00:00+00:00","data":{"id":"1"}}';
const NOW_S = 1_767_268_800;

function signed(secret = SECRET, body = BODY, at = NOW_S): Record<string, string> {
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const digest = createHmac("sha256", key).update(`msg_1.${at}.${body}`).digest("base64");
  return { "Webhook-Id": "msg_1", "Webhook-Timestamp": String(at), "Webhook-Signature": `v1,${digest}` };
}

const verify = (headers: Record<string, string>, body: string | Uint8Array<ArrayBuffer> = BODY) =>
  verifyWebhook(SECRET, headers, body, { nowMs: NOW_S * 1_000 });

test("a signed body is what the service sent, as text and as bytes", async () => {
  assert.equal((await verify(signed())).data.id, "1");
  assert.equal((await verify(signed(), new TextEncoder().encode(BODY))).type, "generation.succeeded");
});

test("after a rotation either of two signatures is enough", async () => {
  const both = `${signed(OTHER)["Webhook-Signature"]} ${signed()["Webhook-Signature"]}`;

  assert.equal((await verify({ ...signed(), "Webhook-Signature": both })).type, "generation.succeeded");
});

const UNPROVED: Record<string, Record<string, string>> = {
  "another secret": signed(OTHER),
  "another body": signed(SECRET, `${BODY} `),
  "too old": signed(SECRET, BODY, NOW_S - 301),
  "of the future": signed(SECRET, BODY, NOW_S + 301),
  "another id": { ...signed(), "Webhook-Id": "msg_2" },
  "no time": { ...signed(), "Webhook-Timestamp": "yesterday" },
  "a long time": { ...signed(), "Webhook-Timestamp": "9".repeat(5_000) },
  "no signature": { ...signed(), "Webhook-Signature": "v1,é v2," },
  nothing: {},
};
for (const [what, headers] of Object.entries(UNPROVED)) {
  test(`what cannot be proved is refused: ${what}`, async () => {
    await assert.rejects(verify(headers), WebhookVerificationError);
  });
}

test("a secret that is none is the caller's mistake", async () => {
  await assert.rejects(verifyWebhook("whsec_!", signed(), BODY, { nowMs: NOW_S * 1_000 }), TypeError);
});
