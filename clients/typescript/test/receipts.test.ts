/** Tests of the receipt verification: genuine ones pass, altered ones are named. */
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, sign as signBytes } from "node:crypto";
import { test } from "node:test";
import { ReceiptVerificationError } from "../src/errors.ts";
import type { Receipt } from "../src/models.ts";
import { verifyReceipt, type PublishedKeys } from "../src/receipts.ts";

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const KEYS = { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "key-1" }] } as PublishedKeys;
const PICTURE = new TextEncoder().encode("a picture");
// Canonical as it stands, names in order; the reader below changes nothing.
const REQUEST = '{"10":1,"9":2,"prompt":"zażółć 🎨","salt":"00","strength":0.8}';
const sha256 = (data: string | Uint8Array) => createHash("sha256").update(data).digest("hex");

function statement(): Record<string, unknown> {
  return {
    credits: { captured: 5, refunded: 0, reserved: 5, returned: 0 },
    key_id: "key-1",
    outcome: "succeeded",
    outputs: [{ bytes: 9, media_type: "image/png", sha256: sha256(PICTURE) }],
    postings: [
      { credits: 5, kind: "reserve" },
      { credits: 5, kind: "capture" },
    ],
    request_sha256: sha256(REQUEST),
    type: "atelier.receipt.v1",
  };
}

function signed(receipt = statement(), text = JSON.stringify(receipt)): Receipt {
  const value = signBytes(null, Buffer.from(text), privateKey).toString("base64url");
  const signature = { alg: "EdDSA", key_id: receipt["key_id"], value };
  return { request: JSON.parse(REQUEST), signed: { receipt, signature } } as unknown as Receipt;
}

const refused = (answer: Receipt, why: RegExp, keys = KEYS) =>
  assert.rejects(verifyReceipt(answer, keys), (error) => {
    assert.ok(error instanceof ReceiptVerificationError, String(error));
    assert.match(error.message, why);
    return true;
  });

test("a genuine receipt states what was signed, whole or only its signed part", async () => {
  const whole = signed();

  assert.equal((await verifyReceipt(whole, KEYS, { outputs: [PICTURE] })).outcome, "succeeded");
  assert.equal((await verifyReceipt(whole.signed!, KEYS)).credits.captured, 5);
});

test("every altered member is found", async () => {
  for (const name of Object.keys(statement())) {
    const altered = signed();
    const receipt = altered.signed!.receipt as unknown as Record<string, unknown>;
    receipt[name] = name === "outputs" || name === "postings" ? [] : name === "credits" ? { captured: 4 } : "x";

    await refused(altered, /./);
  }
});

test("a signature, a key, a request or a picture of another is found", async () => {
  const other = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });
  const asked = signed();
  (asked.request as Record<string, unknown>)["prompt"] = "another";
  const unsigned = { ...signed(), signed: null } as Receipt;
  const garbled = signed();
  garbled.signed!.signature.value = "!";

  await refused(signed(), /signature is wrong/, { keys: [{ ...other, kid: "key-1" }] } as PublishedKeys);
  await refused(signed(), /key key-1 is not among/, { keys: [] });
  await refused(asked, /request beside it/);
  await refused(unsigned, /not signed yet/);
  await refused(garbled, /not base64url/);
  await assert.rejects(verifyReceipt(signed(), KEYS, { outputs: [new Uint8Array([1])] }), /output 0 is not one/);
  await refused({} as Receipt, /form of a receipt/);
});

test("a receipt that does not add up is none, whoever signed it", async () => {
  const unbalanced = { ...statement(), credits: { captured: 4, refunded: 0, reserved: 5, returned: 0 } };
  const free = { ...statement(), outcome: "failed" };

  await refused(signed(unbalanced), /not the sum/);
  await refused(signed(free), /charges for what was not delivered/);
});
