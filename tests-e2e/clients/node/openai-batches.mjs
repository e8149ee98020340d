// The stock openai-node client uploads lines, runs a batch of them, reads its output, and deletes the file.
import OpenAI, { toFile } from "openai";

import { base, play } from "./scenarios.mjs";

const ENDED = ["completed", "failed", "expired", "cancelled"];
const endpoint = "/v1/images/generations";
const line = (index) =>
  JSON.stringify({
    custom_id: `line-${index}`,
    method: "POST",
    url: endpoint,
    body: { model: "dall-e-2", size: "256x256", prompt: "a red bicycle" },
  });

await play(
  {
    batch: async (apiKey) => {
      const client = new OpenAI({ baseURL: base, apiKey, maxRetries: 0 });
      const lines = await toFile(Buffer.from(`${line(0)}\n${line(1)}\n`), "lines.jsonl");
      const file = await client.files.create({ file: lines, purpose: "batch" });
      let batch = await client.batches.create({ input_file_id: file.id, endpoint, completion_window: "24h" });
      while (!ENDED.includes(batch.status)) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        batch = await client.batches.retrieve(batch.id);
      }
      const output = await (await client.files.content(batch.output_file_id)).text();
      const made = output.trim().split("\n").map((text) => JSON.parse(text).custom_id);
      const { deleted } = await client.files.delete(file.id);
      return { status: batch.status, counts: batch.request_counts, lines: made, deleted };
    },
  },
  ({ constructor, status, code, param }) => ({ name: constructor.name, status, code, param }),
);
