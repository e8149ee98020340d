/** The order: what is to be made, of what, and what it costs. */
import { newKey } from "./api.js";
import { announce, byId, el, field, refill, select } from "./dom.js";
import { choicesOf, KINDS, missingOf, quoteOf, requestOf } from "./kinds.js";
import { PhotoSlot } from "./photos.js";
import { problemBox } from "./problems.js";
import { credits } from "./words.js";

const QUOTE_AFTER_MS = 250;
const QUOTE_SPARE_MS = 5_000;
/** With these the price that was shown does not hold any more. */
const OTHER_PRICE = new Set(["spend_limit_exceeded", "quote_refused"]);
const N_MAX = 10;
const TEXT_MAX = { words: 4_000, heard: 50_000 };
const NAMES = { models: "Model", sizes: "Size", styles: "Style", qualities: "Quality", formats: "Format" };
const FIELDS = { models: "model", sizes: "size", styles: "style", qualities: "quality", formats: "format" };
const SHOWN = { sizes: (size) => size.replace("x", " × "), formats: (format) => format.toUpperCase() };
const USUAL = { models: "Any", sizes: "Usual", styles: "Usual", qualities: "Usual" };

export class Order {
  /** `kinds` are those that may be ordered. `onOrder(request, key)` makes it; `onChange(request)` hears of each change. */
  constructor(api, { capabilities, kinds }, form, { onOrder, onChange }) {
    Object.assign(this, { api, capabilities, kinds, form, onOrder, onChange });
    this.slots = new Map();
    this.draft = { kind: this.kinds[0], words: "", options: {}, n: 1, language: "en", audioFormat: "mp3" };
    this.otherWords = "";
    this.attempt = null;
    this.available = null;
    this.price = null;
    this.build();
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.submit();
    });
  }

  /** The order as it would be sent: it costs no more than the price that is shown. */
  get request() {
    return { ...this.wish, ...(this.price !== null && { max_credits: this.price }) };
  }

  get wish() {
    return requestOf(this.draft, this.slotsOfKind().flatMap((slot) => slot.inputs));
  }

  build() {
    this.about = el("p", { class: "note kind-about" });
    this.photos = el("div", { class: "slots" });
    this.wordsField = el("div");
    this.optionFields = el("div", { class: "options" });
    this.priceLine = el("dl", { class: "price" });
    this.refusal = el("div");
    this.button = el("button", { class: "primary" });
    const kinds = el("fieldset", { class: "kinds" }, el("legend", { class: "unseen" }, "Kind"), this.kinds.map((kind) => this.kindChoice(kind)));
    this.form.replaceChildren(
      kinds,
      this.about,
      this.photos,
      this.wordsField,
      this.optionFields,
      el("div", { class: "slip checkout" }, this.priceLine, this.refusal, this.button),
    );
    this.buildKind();
  }

  kindChoice(kind) {
    const onchange = () => {
      const { isHeard } = KINDS[this.draft.kind];
      this.draft = { ...this.draft, kind, options: {}, n: 1 };
      // A story is no prompt: each keeps its own words.
      if (KINDS[kind].isHeard !== isHeard) [this.draft.words, this.otherWords] = [this.otherWords, this.draft.words];
      this.buildKind();
    };
    const input = el("input", { type: "radio", name: "kind", value: kind, checked: kind === this.draft.kind, onchange });
    return el("label", {}, input, el("span", {}, KINDS[kind].name));
  }

  buildKind() {
    const { about, isHeard, prompt } = KINDS[this.draft.kind];
    this.about.textContent = about;
    this.photos.replaceChildren(...this.slotsOfKind().map((slot) => slot.element));
    const words = el("textarea", {
      rows: isHeard ? 8 : 3,
      maxlength: isHeard ? TEXT_MAX.heard : TEXT_MAX.words,
      oninput: (event) => this.change({ words: event.target.value }),
    });
    words.value = this.draft.words;
    this.wordsField.replaceChildren(field(isHeard ? "Text to read aloud" : prompt, words));
    this.buildOptions();
    this.change({});
  }

  buildOptions() {
    const { kind, options } = this.draft;
    const set = (name) => (value) => {
      this.change({ options: { ...this.draft.options, [name]: value } });
      if (name === "model") this.buildOptions();
    };
    const fields = [];
    if (KINDS[kind].isHeard) {
      const languages = el("select", { onchange: (event) => this.change({ language: event.target.value }) });
      languages.append(byId("languages").content.cloneNode(true));
      languages.value = this.draft.language;
      fields.push(field("Language", languages), field("Format", select([["mp3", "MP3"], ["wav", "WAV"]], this.draft.audioFormat, (audioFormat) => this.change({ audioFormat }))));
    } else {
      const choices = choicesOf(this.capabilities, kind, options.model);
      // Where PNG is not made the request has to say what is.
      if (choices.formats.length && !choices.formats.includes("png")) options.format ??= choices.formats[0];
      for (const [list, name] of Object.entries(FIELDS)) {
        const usual = list === "formats" ? [] : [["", USUAL[list]]];
        const values = choices[list].map((value) => [value, SHOWN[list]?.(value) ?? value]);
        if (values.length) fields.push(field(NAMES[list], select([...usual, ...values], options[name] ?? "", set(name))));
      }
      const counts = Array.from({ length: Math.min(choices.nMax, N_MAX) }, (_, index) => String(index + 1));
      if (counts.length > 1) fields.push(field("How many", select(counts, String(this.draft.n), (n) => this.change({ n: Number(n) }))));
    }
    this.optionFields.replaceChildren(...fields);
  }

  slotsOfKind() {
    const { kind } = this.draft;
    if (!this.slots.has(kind)) {
      const slots = KINDS[kind].roles.map((role) => new PhotoSlot(this.api, role, () => this.change({})));
      this.slots.set(kind, slots);
    }
    return this.slots.get(kind);
  }

  change(changes) {
    this.draft = { ...this.draft, ...changes };
    this.refusal.replaceChildren();
    clearTimeout(this.quoteTimer);
    this.quoteTimer = setTimeout(() => void this.quote(), QUOTE_AFTER_MS);
    if (JSON.stringify(quoteOf(this.wish)) !== this.quoted) this.price = null;
    this.showOrder();
  }

  showOrder() {
    this.onChange(this.request, this.slotsOfKind().flatMap((slot) => slot.files));
    this.showPrice();
  }

  setAvailable(available) {
    this.available = available;
    this.showPrice();
  }

  /** Asks for the price, unless it is known. Resolves once it is, or could not be had. */
  quote() {
    const asked = JSON.stringify(quoteOf(this.wish));
    if (asked !== this.quoted) {
      this.quoted = asked;
      this.quoting = this.askPrice(asked);
    }
    return this.quoting;
  }

  /** Asks for it again, though it is known. */
  requote() {
    this.quoted = null;
    return this.quote();
  }

  /** The signed price, where it is for exactly this order: the length of a text is only stood in for. */
  signature() {
    return this.signed.quote && !KINDS[this.draft.kind].isHeard ? { quote: this.signed.quote } : {};
  }

  hasExpired() {
    return Boolean(this.signed.quote) && this.signed.until - QUOTE_SPARE_MS < Date.now();
  }

  async askPrice(asked) {
    try {
      const { credits: price, quote, expires_at } = await this.api.call("POST", "/v1/quotes", { body: JSON.parse(asked) });
      if (asked !== this.quoted) return;
      this.price = price;
      this.signed = { quote, until: Date.parse(expires_at) };
      this.showOrder();
      announce(`It costs ${credits(price)}.`);
    } catch (error) {
      if (asked !== this.quoted) return;
      this.price = null;
      this.quoted = null;
      this.showOrder();
      this.showProblem(error, { quietly: true });
    }
  }

  showPrice() {
    const { price, available } = this;
    const isShort = price !== null && available !== null && price > available;
    this.priceLine.replaceChildren(
      ...row("Price", price === null ? "…" : credits(price)),
      ...(available === null ? [] : row("You have", credits(available), isShort)),
    );
    this.button.textContent = price === null ? "Make it" : `Make it for ${credits(price)}`;
  }

  async submit() {
    const missing = this.slotsOfKind().some((slot) => slot.isBusy) ? "A photo is still being uploaded." : missingOf(this.wish);
    if (missing) return this.showRefusal(el("p", { class: "notice", role: "alert" }, missing));
    if (this.isBusy) return;
    const wish = JSON.stringify(this.wish);
    if (this.attempt?.wish !== wish) {
      if (this.price === null || this.hasExpired()) return this.requote(); // a price is shown before it is paid
      this.attempt = { wish, key: newKey(), request: { ...this.request, ...this.signature() } };
    }
    // Until an answer has come, the same order goes out under the same key: it is made, and paid, once.
    this.setBusy(true);
    try {
      await this.onOrder(this.attempt.request, this.attempt.key);
      this.attempt = null;
      this.refusal.replaceChildren();
    } catch (error) {
      if (isRefusal(error)) this.attempt = null;
      this.showProblem(error);
      if (OTHER_PRICE.has(error.code)) void this.requote();
    } finally {
      this.setBusy(false);
    }
  }

  setBusy(isBusy) {
    this.isBusy = isBusy;
    this.button.setAttribute("aria-disabled", String(isBusy));
    if (isBusy) this.button.textContent = "Ordering …";
    else this.showPrice();
  }

  /** Says while it is sent again that nothing is paid twice. */
  showRetry() {
    const text = "The connection was lost. The same order is sent again under the same key: it is made, and paid, once.";
    this.showRefusal(el("p", { class: "notice", role: "status" }, text), { quietly: true });
  }

  showProblem(error, how) {
    const photos = this.slotsOfKind().flatMap((slot) => slot.uploaded.map((photo) => ({ slot, photo })));
    const photoOf = (name) => photos[Number(/^inputs\.(\d+)/.exec(name)?.[1] ?? -1)];
    const box = problemBox(error, (name) => photoOf(name)?.slot.label ?? name);
    for (const { field: name, message } of error.errors ?? []) {
      const found = photoOf(name);
      found?.slot.refuse(found.photo, message);
    }
    this.showRefusal(box, how);
  }

  showRefusal(box, { quietly = false } = {}) {
    this.refusal.replaceChildren(box);
    if (!quietly) box.focus?.();
  }
}

function row(name, value, isShort = false) {
  return [el("dt", {}, name), el("dd", { class: isShort ? "figure short" : "figure" }, value)];
}

/** Whether it is certain that nothing was made; else the order keeps its key. */
const isRefusal = ({ status, code }) => status < 500 && code !== "request_in_progress";
