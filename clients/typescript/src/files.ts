/** What is uploaded: bytes with a name and a type. */
import type { components } from "./generated/api.ts";

/** A `File` has a name and a type of its own; `@atelier/client/node` opens one from a path. */
export type UploadSource = File | Blob | Uint8Array<ArrayBuffer>;
export interface UploadOptions {
  readonly filename?: string;
  readonly contentType?: string;
}
type UploadRequest = components["schemas"]["SizedUploadRequest"];

const TYPES: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp",
  heic: "image/heic",
  heif: "image/heif",
  avif: "image/avif",
  gif: "image/gif",
  txt: "text/plain",
};

/** The media type that a name ends in; empty where it is unknown. */
export function typeOf(filename: string): string {
  return TYPES[filename.split(".").at(-1)?.toLowerCase() ?? ""] ?? "";
}

/** An upload as it is announced, and its bytes. Throws TypeError where its type is unknown. */
export function announce(source: UploadSource, options: UploadOptions): { request: UploadRequest; content: Blob } {
  const content = source instanceof Blob ? source : new Blob([source]);
  const filename = options.filename ?? (source instanceof File ? source.name : "upload");
  const type = options.contentType ?? (content.type || typeOf(filename));
  if (!type) throw new TypeError(`${filename}: its name does not show its type; pass contentType, as image/png`);
  // The service says which types it takes.
  const content_type = type as UploadRequest["content_type"];
  return { request: { filename, content_type, size_bytes: content.size }, content };
}
