// openapi-fetch, typed by what openapi-typescript generates from the served document. Creates a picture, follows it to
// its end and reads its receipt. Prints one JSON object; the test asserts on it.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.d.ts";

const [baseUrl, apiKey] = process.argv.slice(2) as [string, string];
const client = createClient<paths>({ baseUrl, headers: { "X-API-Key": apiKey } });

const create = () =>
  client.POST("/v1/generations", {
    params: { header: { "Idempotency-Key": "order-4711", "X-Atelier-Simulate": "outcome=succeed" } },
    body: { kind: "image", prompt: "a red bicycle", size: "256x256" },
  });
const created = await create();
const replay = await create();
if (!created.data) throw new Error(created.error.detail);
const id = created.data.id;

let generation: components["schemas"]["Generation"] = created.data;
for (let polls = 0; polls < 400 && ["queued", "rendering"].includes(generation.status); polls++) {
  await new Promise((resolve) => setTimeout(resolve, 50));
  const { data, error } = await client.GET("/v1/generations/{id}", { params: { path: { id } } });
  if (!data) throw new Error(error.detail);
  generation = data;
}
const receipt = await client.GET("/v1/generations/{id}/receipt", { params: { path: { id } } });
const unknown = await client.GET("/v1/generations/{id}", { params: { path: { id: "nothing" } } });
const events = await client.GET("/v1/generations/{id}/events", { params: { path: { id } }, parseAs: "text" });

console.log(
  JSON.stringify({
    id,
    replayed: replay.data?.id === id && replay.response.headers.get("Idempotency-Replayed"),
    status: generation.status,
    outputs: generation.outputs.length,
    credits: generation.credits,
    receipt: receipt.data,
    unknown: unknown.error?.code,
    lastEvent: [...(events.data ?? "").matchAll(/^event: (.*)$/gm)].at(-1)?.[1],
  }),
);
