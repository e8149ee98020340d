/** Client of the Atelier API, for Node and browsers: create generations, follow them, fetch what they made. */
export { Atelier, type AtelierOptions, type CreateOptions, type WaitOptions } from "./client.ts";
export * from "./errors.ts";
export { type Event, isLast } from "./events.ts";
export type * from "./models.ts";
export { type PublishedKeys, verifyReceipt } from "./receipts.ts";
export type { RetryPolicy } from "./retries.ts";
export { type UploadSource } from "./files.ts";
export { verifyWebhook } from "./webhooks.ts";
