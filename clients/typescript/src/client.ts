/** The client: a method for each thing that can be done. */
import createClient, { type Client } from "openapi-fetch";
import { ConnectionFailedError, DownloadError, problemOf, UploadError } from "./errors.ts";
import { DELETED, DELIVERING, type Event } from "./events.ts";
import { announce, type UploadOptions, type UploadSource } from "./files.ts";
import { follow, type FollowOptions } from "./following.ts";
import type { paths } from "./generated/api.ts";
import type * as models from "./models.ts";
import { allOf } from "./pages.ts";
import { readable } from "./responses.ts";
import { DEFAULT_POLICY, type RetryPolicy } from "./retries.ts";
import { type Fetch, retrying } from "./transport.ts";
import { WebhookEndpoints } from "./webhook-endpoints.ts";

export interface AtelierOptions {
  /** A store's key, a user's token, or in a browser a client token. Absent in Node: `ATELIER_KEY` of the environment. */
  readonly apiKey?: string | undefined;
  /** Absent in Node: `ATELIER_URL`. */
  readonly baseUrl?: string | undefined;
  /** The workspace that a user acts for. */
  readonly workspaceId?: string | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
  /** A `fetch` of your own, for proxies or tests. */
  readonly fetch?: Fetch | undefined;
}
export interface CreateOptions {
  /** The same key within 24 hours gives the same generation and one charge: name one that outlives your process (an
   * order's number) to be safe across its crash. Absent, a new one covers the retries of this call. */
  readonly idempotencyKey?: string | undefined;
  /** Rehearses an end where the installation's simulator is on: `outcome=fail`. */
  readonly simulate?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}
export type WaitOptions = FollowOptions;
/** How often a statement that broke off is asked for again. */
const BROKEN_STATEMENTS_MAX = 2;

/** The Atelier API with one credential. Every method rejects with what `errors.ts` lists. */
export class Atelier {
  /** Every route of the document, typed: what this class has no method for. */
  readonly api: Client<paths>;
  /** The endpoints that are called when something ends. */
  readonly webhooks: WebhookEndpoints;
  readonly #once: Fetch;
  readonly #retrying: Fetch;
  readonly #live: Client<paths>;
  readonly #baseUrl: string;
  readonly #headers: Record<string, string>;

  constructor(options: AtelierOptions = {}) {
    const environment = globalThis.process?.env ?? {};
    const apiKey = options.apiKey ?? environment["ATELIER_KEY"];
    const baseUrl = options.baseUrl ?? environment["ATELIER_URL"];
    if (!apiKey || !baseUrl) {
      throw new TypeError("apiKey and baseUrl are required, or ATELIER_KEY and ATELIER_URL in the environment");
    }
    const workspace = options.workspaceId ? { "X-Workspace-Id": options.workspaceId } : {};
    const headers = { Authorization: `Bearer ${apiKey}`, ...workspace };
    this.#baseUrl = baseUrl.replace(/\/+$/, "");
    this.#headers = headers;
    this.#once = options.fetch ?? ((request) => globalThis.fetch(request));
    this.#retrying = retrying(this.#once, { ...DEFAULT_POLICY, ...options.retry });
    this.api = createClient<paths>({ baseUrl, headers, fetch: this.#retrying });
    this.api.use({ onResponse: ({ request, response }) => readable(request, response) });
    this.#live = createClient<paths>({ baseUrl, headers, fetch: this.#once });
    this.webhooks = new WebhookEndpoints(this.api);
  }

  /** Starts a generation; its price is held until it has ended, and only what is delivered is charged.
   * With `charge: "on_delivery"` each output is charged when you `download` or `acknowledge` it, within
   * `delivery_window_s`; what you do not take is refunded and withdrawn. */
  async create(request: models.GenerationRequest, options: CreateOptions = {}): Promise<models.Generation> {
    const { idempotencyKey, simulate, signal } = options;
    const header = {
      ...(idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey }),
      ...(simulate === undefined ? {} : { "X-Atelier-Simulate": simulate }),
    };
    const { data } = await this.api.POST("/v1/generations", { params: { header }, body: request, signal: signal ?? null });
    return data!;
  }

  /** The generation once it has ended, however it ended, or once its outputs can be taken, where they are charged on
   * delivery: look at `status`. Rejects with WaitTimeoutError. Takes a generation or its id, any number of times, in any process. */
  async wait(generation: models.Generation | string, options: WaitOptions = {}): Promise<models.Generation> {
    let last: Event | undefined;
    for await (const event of this.subscribe(generation, options)) {
      last = event;
      if (event.status === DELIVERING) return this.get(idOf(generation));
    }
    if (last!.status === DELETED) return this.get(idOf(generation)); // rejects: it is not there
    return last!.data as unknown as models.Generation;
  }

  /** Each change of the generation up to its end, over broken connections. Rejects with WaitTimeoutError. */
  subscribe(generation: models.Generation | string, options: WaitOptions = {}): AsyncGenerator<Event> {
    const openStream = async (id: string, lastEventId: string | null, signal: AbortSignal) => {
      const header = lastEventId === null ? {} : { "Last-Event-ID": lastEventId };
      const params = { path: { id }, header };
      const { response, error } = await this.#live.GET("/v1/generations/{id}/events", { params, parseAs: "stream", signal });
      return error === undefined ? response : Response.json(error, response);
    };
    return follow({ openStream, get: (id, signal) => this.get(id, signal) }, idOf(generation), options);
  }

  /** The generation as it is now. */
  async get(id: string, signal?: AbortSignal): Promise<models.Generation> {
    const { data } = await this.api.GET("/v1/generations/{id}", { params: { path: { id } }, signal: signal ?? null });
    return data!;
  }

  /** All generations, newest first, fetched page by page as you iterate. */
  async *list(filter: models.GenerationFilter & { pageSize?: number } = {}): AsyncGenerator<models.Generation> {
    const { pageSize, ...query } = filter;
    yield* allOf((paging) => this.api.GET("/v1/generations", { params: { query: { ...query, ...paging } } }), pageSize);
  }

  /** Stops the generation; what was delivered stays charged, the rest is returned. */
  async cancel(id: string): Promise<models.Generation> {
    return (await this.api.POST("/v1/generations/{id}/cancel", { params: { path: { id } } })).data!;
  }

  /** Says that outputs arrived, from 0, all of them where it is absent: they are charged. For generations that are charged
   * on delivery, whose outputs you got otherwise than by `download`. */
  async acknowledge(id: string, options: { outputs?: readonly number[] } = {}): Promise<models.Generation> {
    const body = options.outputs === undefined ? {} : { outputs: [...options.outputs] };
    return (await this.api.POST("/v1/generations/{id}/delivery", { params: { path: { id } }, body })).data!;
  }

  /** Deletes an ended generation with its inputs and outputs; only its charge stays. */
  async delete(id: string): Promise<void> {
    await this.api.DELETE("/v1/generations/{id}", { params: { path: { id } } });
  }

  /** The history of the generation, step by step. */
  async explain(id: string): Promise<models.GenerationTimeline> {
    return (await this.api.GET("/v1/generations/{id}/explain", { params: { path: { id } } })).data!;
  }

  /** The itemised charge. */
  async receipt(id: string): Promise<models.Receipt> {
    return (await this.api.GET("/v1/generations/{id}/receipt", { params: { path: { id } } })).data!;
  }

  /** What a `create` of this request would hold. */
  async quote(request: models.GenerationRequest): Promise<models.Quote> {
    return (await this.api.POST("/v1/quotes", { body: request })).data!;
  }

  /** A short-lived token for a page or an app, made with a store's key; `token` is in this answer only. */
  async createClientToken(bounds: models.NewClientToken): Promise<models.CreatedClientToken> {
    return (await this.api.POST("/v1/client-tokens", { body: bounds })).data!;
  }

  /** Ends a client token at once. */
  async revokeClientToken(id: string): Promise<void> {
    await this.api.DELETE("/v1/client-tokens/{id}", { params: { path: { id } } });
  }

  /** The credits of the account. */
  async balance(): Promise<models.CreditBalance> {
    return (await this.api.GET("/v1/credits")).data!;
  }

  /** All postings of the account, newest first. */
  async *creditEntries(options: { pageSize?: number } = {}): AsyncGenerator<models.CreditEntry> {
    yield* allOf((query) => this.api.GET("/v1/credits/entries", { params: { query } }), options.pageSize);
  }

  /** The credits of generations from `from` to before `to` (default: this month so far), in groups of `by`:
   * day, key, kind, model. */
  async *usage(
    options: { from?: string; to?: string; by?: string[]; pageSize?: number } = {},
  ): AsyncGenerator<models.UsageRow> {
    const { by = ["day"], pageSize, ...period } = options;
    yield* allOf(async (paging) => {
      const query = { ...period, by: by.join(","), format: "json" as const, ...paging };
      const { data } = await this.api.GET("/v1/usage", { params: { query } });
      return { data: data as models.UsagePage };
    }, pageSize);
  }

  /** The signed statement of a month of UTC, `2026-11`: its lines as they were signed, for `docs/verify/verify_statement.py`;
   * or the page of the same content. Held in memory whole, about 2 kB a generation. One that broke off is asked for again. */
  async statement(month: string, options: { format?: "jsonl" | "html" } = {}): Promise<Blob> {
    const query = new URLSearchParams({ format: options.format ?? "jsonl" });
    const url = `${this.#baseUrl}/v1/statements/${encodeURIComponent(month)}?${query}`;
    for (let attempt = 0; ; attempt++) {
      const answer = await this.#retrying(new Request(url, { headers: this.#headers }));
      if (!answer.ok) throw await problemOf(answer);
      try {
        return await answer.blob();
      } catch (error) {
        if (attempt === BROKEN_STATEMENTS_MAX) throw new ConnectionFailedError(`GET ${url}: ${String(error)}`, null, error);
      }
    }
  }

  /** What the installation can make, and which providers make it. */
  async capabilities(): Promise<models.Capabilities> {
    return (await this.api.GET("/v1/capabilities")).data!;
  }

  /** Stores a picture or a text; its `key` then names it in `inputs`. Rejects with UploadError.
   * Bytes need a `filename` with an extension, or a `contentType`; a path is opened by `@atelier/client/node`. */
  async upload(source: UploadSource, options: UploadOptions = {}): Promise<models.UploadTarget> {
    const { request, content } = announce(source, options);
    const target = (await this.api.POST("/v1/uploads", { body: request })).data!;
    const { method, headers } = target;
    // Without our credential: the URL is signed.
    const answer = await this.#retrying(new Request(target.upload_url, { method, headers, body: content }));
    if (!answer.ok) throw new UploadError(`${request.filename}: the object store answers ${answer.status}`);
    return target;
  }

  /** All uploads, newest first. */
  async *uploads(options: { pageSize?: number } = {}): AsyncGenerator<models.Upload> {
    yield* allOf((query) => this.api.GET("/v1/uploads", { params: { query } }), options.pageSize);
  }

  /** An upload as it is now. */
  async getUpload(id: string): Promise<models.Upload> {
    return (await this.api.GET("/v1/uploads/{id}", { params: { path: { id } } })).data!;
  }

  /** Deletes an upload; generations keep the copies that they use. */
  async deleteUpload(id: string): Promise<void> {
    await this.api.DELETE("/v1/uploads/{id}", { params: { path: { id } } });
  }

  /** The bytes of an output, compared with the checksum on record. Rejects with DownloadError.
   * Its URL is valid for 15 minutes: `get` the generation again for a new one. Charged on delivery, the output is charged
   * when you have it. */
  async download(output: models.GenerationOutput): Promise<Blob> {
    const answer = await this.#retrying(this.#requestOf(output.url));
    if (!answer.ok) throw new DownloadError(`${output.key}: the answer is ${answer.status}`);
    const content = await answer.blob();
    const digest = await checksumOf(content);
    if (digest !== output.checksum) {
      throw new DownloadError(`${output.key}: got ${digest}, on record is ${output.checksum}`);
    }
    return content;
  }

  /** An output behind a route of the API is fetched at our base URL with the credential; behind a signed URL, without. */
  #requestOf(url: string): Request {
    const { pathname, search } = new URL(url);
    const route = search ? null : /\/v1\/generations\/[0-9a-f-]{36}\/outputs\/[0-9]+$/.exec(pathname);
    return route ? new Request(this.#baseUrl + route[0], { headers: this.#headers }) : new Request(url);
  }
}

async function checksumOf(content: Blob): Promise<string> {
  if (!globalThis.crypto.subtle) throw new DownloadError("a page without TLS cannot compute checksums: serve it by https");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await content.arrayBuffer()));
  return `sha256:${Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function idOf(generation: models.Generation | string): string {
  return typeof generation === "string" ? generation : generation.id;
}
