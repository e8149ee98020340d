/** What only Node can do. */
import { openAsBlob } from "node:fs";
import { basename } from "node:path";
import { typeOf } from "./files.ts";

/** The file at a path, to upload. Rejects where it cannot be read. */
export async function openFile(path: string): Promise<File> {
  const name = basename(path);
  return new File([await openAsBlob(path)], name, { type: typeOf(name) });
}
