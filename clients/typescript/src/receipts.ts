/** Verifies receipts offline: an Ed25519 signature over canonical JSON, by the Web Crypto of Node and browsers. */
import { ReceiptVerificationError } from "./errors.ts";
import type { Receipt, ReceiptStatement, SignedReceipt } from "./models.ts";

const TYPE = "atelier.receipt.v1";
/** Kinds of postings, and the sum of the receipt that each adds up to. */
const AMOUNTS = { reserve: "reserved", capture: "captured", refund: "refunded", return: "returned" } as const;

/** A JSON Web Key Set, as `/.well-known/jwks.json` has it. */
export interface PublishedKeys {
  readonly keys: readonly { readonly kid?: string; readonly kty?: string; readonly crv?: string; readonly x?: string }[];
}

/**
 * What the receipt states. Rejects with ReceiptVerificationError where that is not proved.
 *
 * `answer` is that of `receipt(id)`, or its member `signed`; `keys` is the JSON of `/.well-known/jwks.json`: keep a copy
 * of your own, it is what you trust. A request beside the receipt has to be the one that was made, and each of `outputs`
 * has to be one that was delivered. No connection is opened.
 */
export async function verifyReceipt(
  answer: Receipt | SignedReceipt,
  keys: PublishedKeys,
  options: { readonly outputs?: readonly (Uint8Array<ArrayBuffer> | Blob)[] } = {},
): Promise<ReceiptStatement> {
  try {
    return await verify(answer, keys, options.outputs ?? []);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    throw new ReceiptVerificationError(`it has not the form of a receipt: ${error.message}`, { cause: error });
  }
}

async function verify(
  answer: Receipt | SignedReceipt,
  keys: PublishedKeys,
  outputs: readonly (Uint8Array<ArrayBuffer> | Blob)[],
): Promise<ReceiptStatement> {
  const signed = "signed" in answer ? answer.signed : answer;
  if (signed === null) throw new ReceiptVerificationError("it is not signed yet: the generation has not ended");
  const { receipt, signature } = signed;
  expect(receipt.type === TYPE, `its type ${receipt.type} is not known to this version`);
  expect(signature.alg === "EdDSA", "it is not signed with Ed25519");
  expect(signature.key_id === receipt.key_id, "it names another key than its signature");
  const key = await importKey(keys, receipt.key_id);
  const genuine = await subtle().verify("Ed25519", key, decoded(signature.value), bytesOf(receipt));
  expect(genuine, "the signature is wrong");
  checkCredits(receipt);
  if ("signed" in answer && answer.request) {
    const same = (await sha256(bytesOf(answer.request))) === receipt.request_sha256;
    expect(same, "the request beside it is not the one that was made");
  }
  const delivered = new Set(receipt.outputs.map((output) => output.sha256));
  for (const [number, output] of outputs.entries()) {
    const data = output instanceof Blob ? new Uint8Array(await output.arrayBuffer()) : output;
    expect(delivered.has(await sha256(data)), `output ${number} is not one of those that were delivered`);
  }
  return receipt;
}

function checkCredits(receipt: ReceiptStatement): void {
  const sums = { reserved: 0, captured: 0, refunded: 0, returned: 0 };
  for (const posting of receipt.postings) {
    expect(posting.credits > 0, "a posting moves no credits");
    sums[AMOUNTS[posting.kind]] += posting.credits;
  }
  const { reserved, captured, refunded, returned } = receipt.credits;
  const same =
    sums.reserved === reserved && sums.captured === captured && sums.refunded === refunded && sums.returned === returned;
  expect(same, "its credits are not the sum of its postings");
  expect(captured + refunded === reserved, "credits are neither charged nor refunded");
  expect(returned <= captured, "more is returned than was charged");
  expect(receipt.outcome === "succeeded" || captured === 0, "it charges for what was not delivered");
}

async function importKey(keys: PublishedKeys, id: string): Promise<CryptoKey> {
  const key = keys.keys.find(({ kid, kty, crv }) => kid === id && kty === "OKP" && crv === "Ed25519");
  if (!key) throw new ReceiptVerificationError(`its key ${id} is not among those given`);
  try {
    return await subtle().importKey("raw", decoded(String(key.x)), "Ed25519", false, ["verify"]);
  } catch (error) {
    if (error instanceof ReceiptVerificationError) throw error;
    throw new ReceiptVerificationError(`its key ${id} cannot be used here: ${String(error)}`, { cause: error });
  }
}

function subtle(): SubtleCrypto {
  if (!globalThis.crypto?.subtle) throw new ReceiptVerificationError("a page without TLS cannot verify: serve it by https");
  return crypto.subtle;
}

function bytesOf(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(canonical(value));
}

/** Canonical JSON (RFC 8785). An object is written by hand: its own order would put names like "10" first. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await subtle().digest("SHA-256", data));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function decoded(text: string): Uint8Array<ArrayBuffer> {
  expect(/^[A-Za-z0-9_-]+$/.test(text), `${text.slice(0, 20)} is not base64url`);
  const plain = text.replaceAll("-", "+").replaceAll("_", "/");
  try {
    const bytes = Uint8Array.from(atob(plain), (character) => character.charCodeAt(0));
    if (encoded(bytes) === text) return bytes;
  } catch {
    // said below
  }
  throw new ReceiptVerificationError(`${text.slice(0, 20)} is not base64url`);
}

function encoded(bytes: Uint8Array): string {
  const plain = btoa(String.fromCharCode(...bytes));
  return plain.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function expect(condition: boolean, fault: string): void {
  if (!condition) throw new ReceiptVerificationError(fault);
}
