/** A `fetch` that sends one call until it is answered: retries, and one Idempotency-Key for all attempts. */
import { ConnectionFailedError, problemOf } from "./errors.ts";
import { canRepeat, pauseMs, retryAfterMs, sleep, type RetryPolicy } from "./retries.ts";

export type Fetch = (request: Request) => Promise<Response>;
const KEY = "Idempotency-Key";

/** `once`, repeated as the policy says. Rejects with ConnectionFailedError, or with the reason of an abort. */
export function retrying(once: Fetch, policy: RetryPolicy): Fetch {
  return async (request) => {
    if (request.method === "POST" && !request.headers.has(KEY)) request.headers.set(KEY, newKey());
    for (let attempt = 0; ; attempt++) {
      const { response, error } = await attemptOnce(once, request.clone());
      if (response?.ok) return response;
      if (attempt && request.method === "DELETE" && response?.status === 404) {
        return new Response(null, { status: 204 }); // an attempt whose answer was lost has deleted it
      }
      const isFinal = response !== null && !canRepeat(response.status, (await problemOf(response.clone())).code);
      const requested = response && retryAfterMs(response.headers.get("Retry-After"), Date.now());
      const pause = isFinal ? null : pauseMs(policy, attempt, requested, Math.random());
      if (pause === null) {
        if (response) return response;
        const what = `${request.method} ${request.url}: ${String(error)}`;
        throw new ConnectionFailedError(what, request.headers.get(KEY), error);
      }
      await sleep(pause, request.signal);
    }
  };
}

/** The answer, or why there was none. Rejects only where the caller aborted. */
async function attemptOnce(once: Fetch, request: Request): Promise<{ response: Response | null; error: unknown }> {
  try {
    return { response: await once(request), error: null };
  } catch (error) {
    if (request.signal.aborted) throw request.signal.reason;
    return { response: null, error };
  }
}

/** Not `randomUUID`, which pages without TLS do not have. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
