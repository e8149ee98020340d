// The Vercel AI SDK's generateImage over either of its two providers: @ai-sdk/openai and @ai-sdk/openai-compatible.
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateImage, RetryError } from "ai";

import { base, formatOf, order, patienceMs, photo, play, simulating, slow, succeeding, words } from "./scenarios.mjs";

const model = {
  openai: (apiKey, fetch, name) => createOpenAI({ baseURL: base, apiKey, fetch }).image(name),
  compatible: (apiKey, fetch, name) =>
    createOpenAICompatible({ name: "atelier", baseURL: base, apiKey, fetch }).imageModel(name),
}[order.provider];

const generate = async (apiKey, fetch, prompt = words.plain, { name = order.model, ...options } = {}) => {
  const made = await generateImage({ model: model(apiKey, fetch, name), prompt, ...options });
  return made.images.map((picture) => formatOf(picture.base64));
};
const edit = { text: words.edit, images: [photo], mask: photo };
const key = { headers: { "Idempotency-Key": "bicycle-1" } };

/** The error itself, or the last of those that were tried again. */
const describe = (error) => {
  const tries = RetryError.isInstance(error) ? error.errors.length : 1;
  const last = RetryError.isInstance(error) ? error.lastError : error;
  return { name: error.name, status: last.statusCode, code: last.data?.error.code, param: last.data?.error.param, tries };
};

await play(
  {
    create: (apiKey) => generate(apiKey, succeeding),
    edit: (apiKey) => generate(apiKey, succeeding, edit),
    // A model that OpenAI answers with URLs: one provider reads no URL, the other none of a private network.
    edit_by_dall_e: (apiKey) => generate(apiKey, succeeding, edit, { name: "dall-e-2" }),
    refusal: (apiKey) => generate(apiKey, fetch, words.banned),
    no_credits: (apiKey) => generate(apiKey, succeeding),
    time_out: (apiKey) => generate(apiKey, slow, words.plain, { abortSignal: AbortSignal.timeout(patienceMs) }),
    retry: (apiKey) => generate(apiKey, simulating("outcome=fail", "outcome=succeed")),
    key: async (apiKey) => [
      ...(await generate(apiKey, succeeding, words.plain, key)),
      ...(await generate(apiKey, succeeding, words.plain, key)),
    ],
  },
  describe,
);
