/** Answers of the service, and what is none of its. */
import { problemOf, UnreadableResponseError } from "./errors.ts";

/** The answer, once it is known to be one of the service's. Rejects with ProblemError, UnreadableResponseError. */
export async function readable(request: Request, response: Response): Promise<Response> {
  if (!response.ok) throw await problemOf(response);
  const text = await response.text();
  try {
    if (response.status !== 204) JSON.parse(text);
  } catch (error) {
    const what = `${request.method} ${request.url}: ${response.status} ${response.headers.get("Content-Type")} is not JSON`;
    throw new UnreadableResponseError(`${what}: ${String(error)}`, request.headers.get("Idempotency-Key"));
  }
  return new Response(text || null, response);
}
