/** When a request is repeated, and after how long. Pure: time and chance are arguments. */

/** How patient a call is. Every repetition carries the Idempotency-Key of the first attempt. */
export interface RetryPolicy {
  /** Attempts after the first one. */
  readonly retriesMax: number;
  /** Before the first retry where the service names no time; doubles with each. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** A longer `Retry-After` is not waited for: the call fails, and its error names it. */
  readonly retryAfterMaxMs: number;
}

export const DEFAULT_POLICY: RetryPolicy = { retriesMax: 4, backoffMs: 500, backoffMaxMs: 8_000, retryAfterMaxMs: 60_000 };

const REPEATED_STATUSES: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
/** Problems of those statuses that the same request meets again. */
const FINAL_CODES: ReadonlySet<string> = new Set([
  "deadline_passed",
  "endpoint_off",
  "provider_failed",
  "provider_unavailable",
  "tenant_queue_full",
  "uploads_full",
]);
/** The first attempt with this Idempotency-Key is still running: its answer comes. */
const IN_PROGRESS = "request_in_progress";

/** Milliseconds before the retry that follows the `attempt`-th one (0 is the first); null: give up.
 * `requestedMs` is what `Retry-After` asks for, a lower bound; `chance`, in [0, 1), spreads the retries of many. */
export function pauseMs(policy: RetryPolicy, attempt: number, requestedMs: number | null, chance: number): number | null {
  if (attempt >= policy.retriesMax) return null;
  const backoffMs = Math.min(policy.backoffMs * 2 ** attempt, policy.backoffMaxMs);
  if (requestedMs === null) return backoffMs * (0.5 + chance / 2);
  return requestedMs <= policy.retryAfterMaxMs ? requestedMs + backoffMs * chance : null;
}

/** Whether the same request may have another answer soon. */
export function canRepeat(status: number, code: string): boolean {
  return (REPEATED_STATUSES.has(status) && !FINAL_CODES.has(code)) || code === IN_PROGRESS;
}

/** The milliseconds that a `Retry-After` asks for, as a number or as a date; null where it is absent or malformed. */
export function retryAfterMs(text: string | null, nowMs: number): number | null {
  if (text === null) return null;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  const at = /^[A-Z][a-z]{2}, /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, at - nowMs);
}

/** Resolves after so long. Rejects with the signal's reason. */
export function sleep(milliseconds: number, signal?: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
