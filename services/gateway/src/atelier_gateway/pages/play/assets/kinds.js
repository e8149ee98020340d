/** What can be ordered: the kinds that some provider here offers, with what each of them takes. Pure. */

/** The words of each kind. `roles` are its photos as [role, label, hint, fewest, most]. */
export const KINDS = {
  try_on: {
    name: "Try-on",
    about: "A person wears a garment.",
    roles: [
      ["person", "Person", "One photo of somebody, from the front.", 1, 1],
      ["garment", "Garment", "On plain ground, if you can.", 1, 9],
    ],
    prompt: "A wish for the result",
  },
  image: {
    name: "Image",
    about: "From words, or from a picture that is changed.",
    roles: [
      ["image", "Picture to change", "Leave it out to start from words alone.", 0, 16],
      ["mask", "Mask", "The area to change, transparent or light.", 0, 1],
    ],
    prompt: "What should it show?",
    promptSubstitute: "image",
  },
  product_shot: {
    name: "Product shot",
    about: "A product on a set, or worn.",
    roles: [
      ["product", "Product", "Up to five photos of it.", 1, 5],
      ["model", "Model", "Somebody who wears it, if it is worn.", 0, 3],
    ],
    prompt: "The scene",
  },
  on_model: {
    name: "On model",
    about: "Clothes from your photo on a model.",
    roles: [["photo", "Garment", "Front, back, details.", 1, 10]],
    prompt: "A wish for the result",
  },
  flat_lay: {
    name: "Flat lay",
    about: "Clothes laid out, seen from above.",
    roles: [["photo", "Garment", "Front, back, details.", 1, 10]],
    prompt: "A wish for the result",
  },
  narration: { name: "Narrated story", about: "A text, read aloud.", roles: [], isHeard: true },
};

const SIZE = /^\d+x\d+$/;
const CHOICES = { sizes: "size", styles: "style", qualities: "quality", formats: "format", models: "model" };
/** Stands in a quote for a photo that is not there yet, or on which the price does not depend. */
const ANY_PICTURE =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const ANY_WORDS = "…";
const ANY_LETTER = "a";
/** A text costs by so many characters begun. */
const PRICED_CHARS = 1_000;

/** The kinds that the capabilities offer, in our order. */
export function kindsOf(capabilities) {
  const offered = new Set(capabilities.providers.flatMap(({ offers }) => offers.map(({ kind }) => kind)));
  return Object.keys(KINDS).filter((kind) => offered.has(kind));
}

/** What may be chosen for a kind: lists of sizes, styles, qualities, formats and models, and the most that may be
 * ordered at once. With a model: what those offers list that have it. */
export function choicesOf(capabilities, kind, model) {
  const all = capabilities.providers.flatMap(({ offers }) => offers.filter((offer) => offer.kind === kind));
  const offers = model ? all.filter(({ models }) => models.includes(model)) : all;
  const union = (name, from = offers) => [...new Set(from.flatMap((offer) => offer[name]))];
  return {
    models: union("models", all),
    sizes: union("sizes").filter((size) => SIZE.test(size)),
    styles: union("styles"),
    qualities: union("qualities"),
    formats: union("formats"),
    nMax: Math.max(1, ...offers.map((offer) => offer.n_max)),
  };
}

/** The body of a create. `draft` is `{kind, words, options, n, language, audioFormat}`, `inputs` the photos. */
export function requestOf(draft, inputs) {
  const { kind, words, options, n } = draft;
  if (KINDS[kind].isHeard) {
    return { kind, text: words, language: draft.language, audio_format: draft.audioFormat };
  }
  const chosen = Object.values(CHOICES).filter((name) => options[name]).map((name) => [name, options[name]]);
  return {
    kind,
    ...(words.trim() && { prompt: words }),
    ...(inputs.length && { inputs }),
    ...Object.fromEntries(chosen),
    ...(n > 1 && { n }),
  };
}

/** The body of a quote for what is ordered so far. What is still missing is stood in for, and so is what the price does
 * not depend on: who types asks for no further price. */
export function quoteOf(request) {
  const { roles, isHeard, promptSubstitute } = KINDS[request.kind];
  if (isHeard) return { ...request, text: ANY_LETTER.repeat(PRICED_CHARS * Math.max(1, Math.ceil(lengthOf(request.text) / PRICED_CHARS))) };
  const isSizedByPhoto = request.kind === "image" && !request.size;
  const lighter = (input) => (input.data && !isSizedByPhoto ? { ...input, data: ANY_PICTURE } : input);
  const inputs = (request.inputs ?? []).map(lighter);
  for (const [role, , , fewest] of roles) {
    const given = inputs.filter((input) => input.role === role).length;
    for (let n = given; n < fewest; n++) inputs.push({ role, data: ANY_PICTURE });
  }
  const needsWords = promptSubstitute && (!inputs.some(({ role }) => role === promptSubstitute) || hasMask(inputs));
  const { prompt: _, ...rest } = request;
  return { ...rest, ...(needsWords && { prompt: ANY_WORDS }), ...(inputs.length && { inputs }) };
}

/** What is still missing, in a sentence; empty if nothing is. */
export function missingOf(request) {
  const { roles, isHeard, promptSubstitute } = KINDS[request.kind];
  if (isHeard) return request.text.trim() ? "" : "Write the text to read aloud.";
  const given = request.inputs ?? [];
  const absent = roles.find(([role, , , fewest]) => given.filter((input) => input.role === role).length < fewest);
  if (absent) return `Add a photo: ${absent[1].toLowerCase()}.`;
  if (promptSubstitute && !request.prompt && (!given.some(({ role }) => role === promptSubstitute) || hasMask(given))) {
    return hasMask(given) ? "Say what the masked area should show." : "Say what it should show, or add a picture to change.";
  }
  return "";
}

/** In characters as the service counts them. */
const lengthOf = (text) => [...text].length;

const hasMask = (inputs) => inputs.some(({ role }) => role === "mask");
