/**
 * What can go wrong, one class for each way to react.
 *
 * AtelierError
 * ├── ConnectionFailedError        no answer after all retries; a create may be repeated with its `idempotencyKey`
 * ├── UnreadableResponseError      a success that is not JSON: something between us and the service answered
 * ├── WaitTimeoutError             the generation goes on; wait for it again
 * ├── UploadError, DownloadError   the object store refused, or the bytes are not those on record
 * ├── WebhookVerificationError     not signed with this secret, or too old
 * ├── ReceiptVerificationError     not signed by these keys, or changed since
 * └── ProblemError                 the service refused; nothing was created or charged
 *     ├── InvalidRequestError          400, 413, 422: change the request
 *     ├── AuthenticationError          401: change the credential
 *     ├── InsufficientCreditsError     402: `required` and `available`
 *     ├── PermissionDeniedError        403
 *     ├── NotFoundError                404
 *     ├── ConflictError                409: contradicts the present state
 *     ├── RateLimitedError             429, after all retries
 *     └── ServerError                  500, 503, after all retries
 */
import { retryAfterMs } from "./retries.ts";

/** Anything that this client throws. */
export class AtelierError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The service did not answer. `idempotencyKey` repeats the call safely; null where the call needs none. */
export class ConnectionFailedError extends AtelierError {
  readonly idempotencyKey: string | null;

  constructor(message: string, idempotencyKey: string | null, cause: unknown) {
    super(message, { cause });
    this.idempotencyKey = idempotencyKey;
  }
}

/**
 * A successful answer is not JSON, so it is hardly the service's: look at `baseUrl` and at proxies. Whether the service
 * has done anything is unknown; `idempotencyKey` repeats a POST safely, null otherwise.
 */
export class UnreadableResponseError extends AtelierError {
  readonly idempotencyKey: string | null;

  constructor(message: string, idempotencyKey: string | null) {
    super(message);
    this.idempotencyKey = idempotencyKey;
  }
}

/** The generation had not ended in time. */
export class WaitTimeoutError extends AtelierError {
  readonly generationId: string;

  constructor(generationId: string, timeoutMs: number) {
    super(`generation ${generationId} has not ended within ${timeoutMs} ms`);
    this.generationId = generationId;
  }
}

/** The object store did not take the bytes. */
export class UploadError extends AtelierError {}

/** An output could not be fetched, or its bytes do not have the checksum on record. */
export class DownloadError extends AtelierError {}

/** The body was not signed with this secret, or not recently. */
export class WebhookVerificationError extends AtelierError {}

/** The receipt is not what these keys signed, or does not add up. */
export class ReceiptVerificationError extends AtelierError {}

/** The service refused (RFC 9457). Branch on `code`, or on the class. */
export class ProblemError extends AtelierError {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly problem: Readonly<Record<string, unknown>>;
  readonly requestId: string | null;
  readonly retryAfterMs: number | null;

  constructor(status: number, problem: Readonly<Record<string, unknown>>, headers: Headers) {
    const text = (name: string, absent = "") => String(problem[name] ?? absent);
    const [code, title, detail] = [text("code", `http_${status}`), text("title"), text("detail")];
    super(`${status} ${code}: ${detail || title} (request ${headers.get("X-Request-Id")})`);
    this.status = status;
    this.code = code;
    this.title = title;
    this.detail = detail;
    this.problem = problem;
    this.requestId = headers.get("X-Request-Id");
    this.retryAfterMs = retryAfterMs(headers.get("Retry-After"), Date.now());
  }
}

/** The request cannot be done as it stands; `errors` names each field where that is known. */
export class InvalidRequestError extends ProblemError {
  get errors(): readonly { field: string; message: string }[] {
    return (this.problem["errors"] as { field: string; message: string }[] | undefined) ?? [];
  }
}

/** The credential is missing or wrong. */
export class AuthenticationError extends ProblemError {}

/** There are not enough credits. */
export class InsufficientCreditsError extends ProblemError {
  /** Credits that the request costs. */
  get required(): number {
    return Number(this.problem["required"] ?? 0);
  }
  /** Credits that there are. */
  get available(): number {
    return Number(this.problem["available"] ?? 0);
  }
}

/** The credential is good, but may not do this. */
export class PermissionDeniedError extends ProblemError {}

/** There is no such thing, or it belongs to another owner. */
export class NotFoundError extends ProblemError {}

/** The request contradicts the present state. */
export class ConflictError extends ProblemError {}

/** Too many requests, or too much is pending. */
export class RateLimitedError extends ProblemError {}

/** The service or a part of it is unavailable. */
export class ServerError extends ProblemError {}

const BY_STATUS: Readonly<Record<number, typeof ProblemError>> = {
  400: InvalidRequestError,
  413: InvalidRequestError,
  422: InvalidRequestError,
  401: AuthenticationError,
  402: InsufficientCreditsError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: ConflictError,
  429: RateLimitedError,
};

/** The error that a refusal stands for; reads its body. */
export async function problemOf(response: Response): Promise<ProblemError> {
  const text = await response.text();
  return new (BY_STATUS[response.status] ?? (response.status >= 500 ? ServerError : ProblemError))(
    response.status,
    parsed(text) ?? { detail: text.slice(0, 200) },
    response.headers,
  );
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null && !Array.isArray(body) ? (body as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
