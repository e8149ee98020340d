/** Verifies webhooks, signed as in Standard Webhooks (https://www.standardwebhooks.com). */
import { WebhookVerificationError } from "./errors.ts";
import type { GenerationEvent } from "./models.ts";

const TOLERANCE_S = 300;

/**
 * What the service sent. Rejects with WebhookVerificationError where that cannot be proved.
 *
 * `secret` is that of the endpoint (`whsec_…`), `body` the bytes or the text as they came. The same `webhook-id` may come
 * again: remember the ids of a day.
 */
export async function verifyWebhook(
  secret: string,
  headers: Headers | Readonly<Record<string, string | string[] | undefined>>,
  body: Uint8Array<ArrayBuffer> | string,
  options: { readonly toleranceS?: number; readonly nowMs?: number } = {},
): Promise<GenerationEvent> {
  const [id, timestamp, signatures] = ["id", "timestamp", "signature"].map((name) => headerOf(headers, `webhook-${name}`));
  if (!/^\d{1,12}$/.test(timestamp ?? "")) throw new WebhookVerificationError("webhook-timestamp is missing or malformed");
  const { toleranceS = TOLERANCE_S, nowMs = Date.now() } = options;
  if (Math.abs(nowMs / 1_000 - Number(timestamp)) > toleranceS) {
    throw new WebhookVerificationError(`webhook-timestamp is more than ${toleranceS} s away from now`);
  }
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const signed = new Blob([`${id}.${timestamp}.`, bytes]);
  const key = await crypto.subtle.importKey("raw", keyOf(secret), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const content = await signed.arrayBuffer();
  // After a rotation there are two signatures, one with the old secret.
  for (const given of (signatures ?? "").split(" ")) {
    const signature = given.startsWith("v1,") ? decoded(given.slice(3)) : null;
    if (signature && (await crypto.subtle.verify("HMAC", key, signature, content))) {
      return JSON.parse(new TextDecoder().decode(bytes)) as GenerationEvent;
    }
  }
  throw new WebhookVerificationError("webhook-signature does not fit the secret and the body");
}

function headerOf(headers: Headers | Readonly<Record<string, string | string[] | undefined>>, name: string): string {
  if (headers instanceof Headers) return headers.get(name) ?? "";
  const found = Object.keys(headers).find((key) => key.toLowerCase() === name);
  return String((found && headers[found]) ?? "");
}

function keyOf(secret: string): Uint8Array<ArrayBuffer> {
  const key = decoded(secret.replace(/^whsec_/, ""));
  if (!key) throw new TypeError("the secret is not base64 after whsec_");
  return key;
}

/** The bytes of a base64 text; null where it is none. */
function decoded(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
