// The stock openai-node client: its retries, its time-outs and its exceptions, with nothing changed but the base URL.
import OpenAI, { toFile } from "openai";

import { base, formatOf, order, patienceMs, photo, play, simulating, slow, succeeding, words } from "./scenarios.mjs";

const client = (apiKey, options = {}) => new OpenAI({ baseURL: base, apiKey, ...options });
const formats = (made) => made.data.map((picture) => formatOf(picture.b64_json));
const generate = async (made, prompt = words.plain, options = {}) =>
  formats(await made.images.generate({ model: order.model, prompt }, options));
const key = { headers: { "Idempotency-Key": "bicycle-1" } };

await play(
  {
    create: (apiKey) => generate(client(apiKey, { fetch: succeeding })),
    edit: async (apiKey) => {
      const image = await toFile(photo, "me.png", { type: "image/png" });
      const mask = await toFile(photo, "mask.png", { type: "image/png" });
      const asked = { model: order.model, image: [image], mask, prompt: words.edit };
      return formats(await client(apiKey, { fetch: succeeding }).images.edit(asked));
    },
    refusal: (apiKey) => generate(client(apiKey), words.banned),
    no_credits: (apiKey) => generate(client(apiKey, { fetch: succeeding })),
    time_out: (apiKey) => generate(client(apiKey, { fetch: slow, timeout: patienceMs })),
    retry: (apiKey) => generate(client(apiKey, { fetch: simulating("outcome=fail", "outcome=succeed") })),
    key: async (apiKey) => {
      const keyed = client(apiKey, { fetch: succeeding });
      return [...(await generate(keyed, words.plain, key)), ...(await generate(keyed, words.plain, key))];
    },
  },
  ({ constructor, status, code, param }) => ({ name: constructor.name, status, code, param }),
);
