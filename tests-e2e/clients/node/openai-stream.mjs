// The stock openai-node client reads streams of pictures: previews and the picture, an error after a preview, and a
// process that is killed while it waits.
import OpenAI, { toFile } from "openai";

import { base, formatOf, order, photo, play, simulating, words } from "./scenarios.mjs";

const client = (apiKey, options = {}) => new OpenAI({ baseURL: base, apiKey, maxRetries: 0, ...options });
const asked = { model: order.model, prompt: words.plain, stream: true, partial_images: 2 };
const told = [];
const tell = (event) => {
  told.push(event.type);
  return [event.type, formatOf(event.b64_json), event.partial_image_index ?? event.usage.credits];
};
const read = async (stream) => {
  const events = [];
  for await (const event of stream) events.push(tell(event));
  return events;
};

if (order.hang) {
  const slow = client(order.keys.hang, { fetch: simulating("outcome=succeed, delay_ms=60000") });
  for await (const event of await slow.images.generate({ ...asked, partial_images: 1 })) console.log(event.type);
} else {
  await play(
    {
      generate: async (apiKey) => read(await client(apiKey).images.generate(asked)),
      edit: async (apiKey) => {
        const image = await toFile(photo, "me.png", { type: "image/png" });
        return read(await client(apiKey).images.edit({ ...asked, image, prompt: words.edit }));
      },
      failure: async (apiKey) =>
        read(await client(apiKey, { fetch: simulating("outcome=fail") }).images.generate(asked)),
    },
    ({ constructor, code, type }) => ({ name: constructor.name, code, type, told }),
  );
}
