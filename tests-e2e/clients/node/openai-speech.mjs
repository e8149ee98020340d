// The stock openai-node client has texts spoken: in each format, as events, refused, failed, and without credits.
import OpenAI from "openai";

import { base, order, play, simulating, words } from "./scenarios.mjs";

const client = (apiKey, options = {}) => new OpenAI({ baseURL: base, apiKey, maxRetries: 0, ...options });
const asked = { model: "gpt-4o-mini-tts", voice: "coral", input: "Good evening." };
const speak = async (made, more = {}) => {
  const reply = await made.audio.speech.create({ ...asked, ...more });
  const sound = Buffer.from(await reply.arrayBuffer());
  return [reply.headers.get("content-type"), sound.subarray(0, 4).toString("latin1"), sound.length > 1000];
};

await play(
  {
    wav: (apiKey) => speak(client(apiKey), { response_format: "wav", speed: 1.5, instructions: "calmly" }),
    pcm: (apiKey) => speak(client(apiKey), { response_format: "pcm" }),
    sse: async (apiKey) => {
      const reply = await client(apiKey).audio.speech.create({ ...asked, stream_format: "sse" });
      return (await reply.text()).split("\n\n").filter(Boolean).map((block) => JSON.parse(block.slice(6)).type);
    },
    aac: (apiKey) => speak(client(apiKey), { response_format: "aac" }),
    refusal: (apiKey) => speak(client(apiKey), { input: words.banned }),
    failure: (apiKey) => speak(client(apiKey, { fetch: simulating("outcome=fail") })),
    no_credits: (apiKey) => speak(client(apiKey)),
  },
  ({ constructor, status, code, param }) => ({ name: constructor.name, status, code, param }),
);
