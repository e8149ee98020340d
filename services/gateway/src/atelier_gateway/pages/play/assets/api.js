/** Calls of the public API with the credential of this tab. It is sent in a header and goes nowhere else. */

const RETRIES_MAX = 4;
const BACKOFF_MS = 600;
const RETRY_AFTER_MAX_MS = 10_000;
/** With the same Idempotency-Key these may be repeated: whatever happened, it happens once. */
const REPEATED_STATUSES = new Set([408, 500, 502, 503, 504]);
const FINAL_CODES = new Set(["deadline_passed", "endpoint_off", "provider_failed", "provider_unavailable", "queue_full"]);

/** What the API refused, and why. `extra` are the members that some problems have beside these. */
export class Problem extends Error {
  constructor({ status, code, title, detail, errors = [], ...extra }, requestId, retryAfterS) {
    super(detail ?? title ?? `Status ${status}`);
    Object.assign(this, { status, code: code ?? `status_${status}`, title, errors, extra, requestId, retryAfterS });
  }
}

/** No answer came. Whether the request arrived is not known. */
export class ConnectionLost extends Error {}

export class Api {
  constructor({ credential, workspace }) {
    this.headers = { Authorization: `Bearer ${credential}`, ...(workspace && { "X-Workspace-Id": workspace }) };
  }

  /** The answer as it came. Rejects with ConnectionLost, or with the reason of the signal. */
  async open(method, path, { body, headers, signal } = {}) {
    try {
      return await fetch(path, {
        method,
        signal,
        headers: { ...this.headers, ...(body && { "Content-Type": "application/json" }), ...headers },
        body: body && JSON.stringify(body),
        credentials: "omit",
        cache: "no-store",
      });
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw new ConnectionLost("No answer came.", { cause: error });
    }
  }

  /** The body of the answer. Rejects with Problem, ConnectionLost, or the reason of the signal. */
  async call(method, path, options = {}) {
    const response = await this.open(method, path, options);
    if (!response.ok) throw await problemOf(response);
    try {
      return response.status === 204 ? null : await response.json();
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      throw new ConnectionLost("The answer broke off.", { cause: error });
    }
  }

  get(path, signal) {
    return this.call("GET", path, { signal });
  }

  /** A POST that happens once, however often it has to be sent: every attempt carries the same key.
   * `onRetry` hears of each further attempt. */
  async postOnce(path, body, key, onRetry = () => {}) {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.call("POST", path, { body, headers: { "Idempotency-Key": key } });
      } catch (error) {
        const pauseMs = pauseBefore(error, attempt);
        if (pauseMs === null) throw error;
        onRetry(error);
        await pause(pauseMs);
      }
    }
  }
}

/** A key for one act and all its repetitions. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `play-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** Resolves after so many milliseconds. Rejects with the reason of the signal. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}

export async function problemOf(response) {
  const said = await response.json().catch(() => ({}));
  const retryAfter = Number(response.headers.get("Retry-After"));
  return new Problem({ ...said, status: response.status }, response.headers.get("X-Request-Id"), retryAfter || undefined);
}

/** Milliseconds before the same request is sent again; null where that would not help. */
function pauseBefore(error, attempt) {
  if (attempt >= RETRIES_MAX || !isPassing(error)) return null;
  const askedMs = (error.retryAfterS ?? 0) * 1_000;
  return askedMs > RETRY_AFTER_MAX_MS ? null : Math.max(askedMs, BACKOFF_MS * 2 ** attempt);
}

function isPassing(error) {
  if (error instanceof ConnectionLost) return true;
  if (!(error instanceof Problem)) return false;
  return (REPEATED_STATUSES.has(error.status) && !FINAL_CODES.has(error.code)) || error.code === "request_in_progress";
}
