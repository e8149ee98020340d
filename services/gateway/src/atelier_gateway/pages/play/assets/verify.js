/** Checks a signed receipt in this browser, as docs/verify/verify_receipt.py does: what it does not prove, it names. */

/** `[{ok, text}]`; `ok` is true, false, or null for what was not checked. `outputs` are the bytes that were delivered,
 * each an ArrayBuffer or null where they could not be read. */
export async function checkReceipt(answer, keys, outputs) {
  const { receipt, signature } = answer.signed;
  if (!globalThis.crypto?.subtle) return [{ ok: null, text: "This browser checks signatures only over https." }];
  return [
    await checkSignature(receipt, signature, keys),
    checkSums(receipt),
    await checkRequest(receipt, answer.request),
    await checkOutputs(receipt, outputs),
  ];
}

async function checkSignature(receipt, signature, keys) {
  const jwk = keys.find(({ kid }) => kid === receipt.key_id && kid === signature.key_id);
  if (!jwk || signature.alg !== "EdDSA") return { ok: false, text: "Its key is not one of the published ones." };
  try {
    const key = await crypto.subtle.importKey("jwk", { kty: jwk.kty, crv: jwk.crv, x: jwk.x }, "Ed25519", false, ["verify"]);
    const ok = await crypto.subtle.verify("Ed25519", key, bytesOf(signature.value), encoded(canonical(receipt)));
    return { ok, text: ok ? `Signed by the published key ${shortened(receipt.key_id)}, unchanged since` : "The signature is wrong." };
  } catch (error) {
    if (error.name === "NotSupportedError") return { ok: null, text: "This browser does not know Ed25519." };
    return { ok: false, text: "The signature cannot be read." };
  }
}

/** The postings add up to the credits that are named, and nothing undelivered is charged. */
export function checkSums(receipt) {
  const sums = { reserve: 0, capture: 0, refund: 0, return: 0 };
  for (const posting of receipt.postings) sums[posting.kind] += posting.credits;
  const { reserved, captured, refunded, returned } = receipt.credits;
  const said = [reserved, captured, refunded, returned];
  const ok =
    Object.values(sums).every((sum, index) => sum === said[index]) &&
    captured + refunded === reserved &&
    returned <= captured &&
    (receipt.outcome === "succeeded" || captured === 0);
  return { ok, text: ok ? "Its postings add up, to the credit" : "Its postings do not add up." };
}

async function checkRequest(receipt, request) {
  if (!request) return { ok: null, text: "Not checked: what was ordered, for it is deleted" };
  const ok = (await sha256(encoded(canonical(request)))) === receipt.request_sha256;
  return { ok, text: ok ? "It is about what you ordered" : "It is about another order." };
}

async function checkOutputs(receipt, outputs) {
  const unread = outputs.filter((bytes) => bytes === null).length;
  const hashes = await Promise.all(outputs.filter((bytes) => bytes !== null).map(sha256));
  if (hashes.some((hash) => !receipt.outputs.some((output) => output.sha256 === hash))) {
    return { ok: false, text: "What was delivered is not what it names." };
  }
  if (unread) return { ok: null, text: "Not checked: the delivered bytes, which this page may not read" };
  if (!receipt.outputs.length) return { ok: true, text: "Nothing was delivered, and it says so" };
  if (hashes.length < receipt.outputs.length) return { ok: null, text: "Not checked: outputs that are no longer kept" };
  return { ok: true, text: "What was delivered is what it names, to the byte" };
}

/** Canonical JSON (RFC 8785): names sorted by UTF-16 units, everything else as JSON.stringify writes it. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const encoded = (text) => new TextEncoder().encode(text);

const bytesOf = (base64url) => Uint8Array.from(atob(base64url.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));

const shortened = (id) => `${id.slice(0, 6)}…`;
