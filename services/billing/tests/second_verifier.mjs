// A second verifier of receipts, apart from docs/verify/verify_receipt.py: another language, WebCrypto's Ed25519 and
// SHA-256, an inclusion proof by the recursive definition of RFC 9162. node second_verifier.mjs jwks.json receipts.jsonl
// [proofs.jsonl] prints "genuine" or why not, a line a receipt.
import { readFileSync } from "node:fs";
import { webcrypto } from "node:crypto";

const { subtle } = webcrypto;
const lines = (file) => readFileSync(file, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
const sha256 = async (...parts) => Buffer.from(await subtle.digest("SHA-256", Buffer.concat(parts.map((p) => Buffer.from(p)))));
const canonical = (value) =>
  Array.isArray(value) ? `[${value.map(canonical).join()}]`
  : value && typeof value === "object"
    ? `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join()}}`
    : JSON.stringify(value);

class Wrong extends Error {}
const insist = (condition, why) => { if (!condition) throw new Wrong(why); };

async function importKeys(file) {
  const keys = new Map();
  for (const { kid, x } of JSON.parse(readFileSync(file, "utf8")).keys) {
    keys.set(kid, await subtle.importKey("jwk", { kty: "OKP", crv: "Ed25519", x }, { name: "Ed25519" }, true, ["verify"]));
  }
  return keys;
}

async function verifyReceipt({ receipt, signature }, keys) {
  insist(receipt.type === "atelier.receipt.v1" && signature.alg === "EdDSA", "type");
  insist(receipt.key_id === signature.key_id && keys.has(receipt.key_id), "key");
  const bytes = Buffer.from(signature.value, "base64url");
  insist(bytes.toString("base64url") === signature.value, "encoding of the signature");
  insist(await subtle.verify("Ed25519", keys.get(receipt.key_id), bytes, Buffer.from(canonical(receipt))), "signature");
  const sum = (kind) => receipt.postings.filter((p) => p.kind === kind).reduce((total, p) => total + p.credits, 0);
  const { reserved, captured, refunded, returned } = receipt.credits;
  insist(sum("reserve") === reserved && sum("capture") === captured, "sums");
  insist(sum("refund") === refunded && sum("return") === returned, "sums");
  insist(captured + refunded === reserved && returned <= captured, "credits");
  insist(receipt.outcome === "succeeded" || !captured, "outcome");
}

// The root of the subtree of `size` leaves that `index` is in, from the siblings, the topmost last.
async function rootOf(index, size, leaf, path) {
  if (size === 1) { insist(path.length === 0, "proof"); return leaf; }
  let left = 1;
  while (left * 2 < size) left *= 2;
  const sibling = path.at(-1), rest = path.slice(0, -1);
  insist(sibling, "proof");
  return index < left
    ? sha256([1], await rootOf(index, left, leaf, rest), sibling)
    : sha256([1], sibling, await rootOf(index - left, size - left, leaf, rest));
}

async function verifyInclusion({ receipt }, proof, keys) {
  const [text, signatures] = proof.checkpoint.split("\n\n");
  const [origin, size, root] = text.split("\n");
  const blob = Buffer.from(signatures.trim().split(" ").at(-1), "base64").subarray(4);
  const signed = await Promise.all([...keys.values()].map((key) => subtle.verify("Ed25519", key, blob, Buffer.from(text + "\n"))));
  insist(signed.includes(true) && origin === receipt.log && Number(size) === proof.tree_size, "checkpoint");
  const leaf = await sha256([0], canonical(receipt));
  const path = proof.hashes.map((hash) => Buffer.from(hash, "base64"));
  insist((await rootOf(proof.leaf_index, proof.tree_size, leaf, path)).toString("base64") === root, "inclusion");
}

const [keyFile, receiptFile, proofFile] = process.argv.slice(2);
const keys = await importKeys(keyFile), proofs = proofFile ? lines(proofFile) : [];
for (const [at, answer] of lines(receiptFile).entries()) {
  try {
    await verifyReceipt(answer.signed ?? answer, keys);
    if (proofs[at]) await verifyInclusion(answer.signed ?? answer, proofs[at], keys);
    console.log("genuine");
  } catch (error) {
    console.log(`not genuine: ${error.message}`);
  }
}
