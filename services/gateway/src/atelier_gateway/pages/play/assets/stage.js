/** Where one generation is shown: its progress, then what came of it with its receipt. */
import { Problem } from "./api.js";
import { disputeForm } from "./dispute.js";
import { announce, el, linkTo, refill } from "./dom.js";
import { follow } from "./follow.js";
import { KINDS } from "./kinds.js";
import { problemBox } from "./problems.js";
import { receiptSlip } from "./receipt.js";
import { duration, ENDED, moneyWords, ordinal, statusWords } from "./words.js";

const PLACE_EVERY_MS = 4_000;
const TICK_MS = 500;
const FORMATS = { mpeg: "mp3", "x-wav": "wav" };

export class Stage {
  /** `code` stands below it. `mayDispute`: whether the credential may dispute what it made. `onEnd()` hears of each end
   * that is watched, and of each return. */
  constructor(api, element, { code, mayDispute, onEnd }) {
    Object.assign(this, { api, element, mayDispute, onEnd, generation: null, watch: null });
    this.title = el("h2", { id: "stage-title", tabindex: "-1" });
    this.content = el("div", { class: "stage-content" });
    this.foot = el("div", { class: "stage-foot" });
    element.replaceChildren(this.title, this.content, this.foot, code);
    this.clear();
  }

  clear() {
    this.stop();
    this.generation = null;
    this.title.textContent = "The result";
    refill(this.content, el("div", { class: "mat empty" }, el("p", {}, "What you order appears here.")));
    refill(this.foot);
  }

  stop() {
    this.watch?.abort();
    this.watch = null;
    clearInterval(this.ticker);
  }

  /** Shows a generation and follows it to its end. */
  async show(generation, { focus = true } = {}) {
    this.stop();
    this.generation = generation;
    this.begin();
    if (focus) {
      this.title.focus();
      this.element.scrollIntoView({ block: "nearest" });
    }
    if (ENDED.has(generation.status)) return this.end(generation);
    const watch = (this.watch = new AbortController());
    this.ticker = setInterval(() => this.tick(), TICK_MS);
    void this.watchPlace(watch.signal);
    try {
      for await (const change of follow(this.api, generation.id, watch.signal, (link) => this.showLink(link))) {
        this.generation = { ...this.generation, ...change };
        this.showProgress();
        if (ENDED.has(change.status)) this.finish(this.generation);
      }
    } catch (error) {
      if (watch.signal.aborted) return;
      this.stop();
      refill(this.foot, problemBox(error));
    }
  }

  begin() {
    this.lost = el("p", { class: "notice", role: "status", hidden: true }, "The connection is lost. It goes on without you; this page takes it up again as soon as it can.");
    this.words = el("p", { class: "progress-words" });
    this.bar = el("progress", { max: 100, "aria-label": "Progress" });
    this.money = el("p", { class: "note" });
    this.cancelButton = el("button", { type: "button", onclick: () => void this.cancel() }, "Cancel");
    refill(this.content, el("div", { class: "mat waiting" }, this.words, this.bar));
    refill(this.foot, this.lost, el("div", { class: "acts" }, this.money, this.cancelButton));
    this.showProgress();
  }

  showProgress() {
    const { status, progress } = this.generation;
    if (this.title.textContent !== statusWords(status)) {
      this.setTitle(statusWords(status));
      announce(statusWords(status));
    }
    if (progress > 0) this.bar.value = progress;
    this.money.textContent = moneyWords(this.generation);
    this.tick();
  }

  tick() {
    const { created_at: since, queue_position: place, eta_s: eta, status } = this.generation;
    const parts = [duration((Date.now() - Date.parse(since)) / 1_000)];
    if (status === "queued" && place > 1) parts.push(`${ordinal(place)} in the queue`);
    if (eta) parts.push(`about ${duration(eta)} to go`);
    this.words.textContent = parts.join(" · ");
  }

  showLink(link) {
    this.lost.hidden = link === "live";
  }

  /** Its place in the queue and the time it may take, which the stream does not say. */
  async watchPlace(signal) {
    while (!signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, PLACE_EVERY_MS));
      if (signal.aborted) return;
      const now = await this.api.get(`/v1/generations/${this.generation.id}`, signal).catch(() => null);
      if (signal.aborted || !now) continue;
      const { queue_position, eta_s } = now;
      this.generation = { ...this.generation, queue_position, eta_s };
    }
  }

  async cancel() {
    this.cancelButton.disabled = true;
    this.cancelButton.textContent = "Cancelling …";
    try {
      const now = await this.api.call("POST", `/v1/generations/${this.generation.id}/cancel`);
      if (ENDED.has(now.status) && this.watch) this.finish(now);
    } catch (error) {
      if (error instanceof Problem && error.code === "conflict") return; // it has ended: the stream says how
      this.cancelButton.disabled = false;
      this.cancelButton.textContent = "Cancel";
      refill(this.foot, problemBox(error), this.foot.lastElementChild);
    }
  }

  finish(generation) {
    this.end(generation);
    this.onEnd();
  }

  end(generation) {
    this.stop();
    this.generation = generation;
    this.setTitle(statusWords(generation.status));
    announce(`${statusWords(generation.status)}. ${generation.credits ? moneyWords(generation) : ""}`);
    if (generation.status === "deleted") {
      refill(this.content, el("div", { class: "mat empty" }, el("p", {}, "It was deleted.")));
      refill(this.foot);
    } else {
      refill(this.content, outputs(generation));
      refill(this.foot, facts(generation), receiptSlip(this.api, generation), this.dispute(generation));
    }
  }

  /** A way to say that it is broken, where something was charged and the credential may say so. */
  dispute(generation) {
    if (!this.mayDispute || !generation.outputs.length || !generation.credits.captured) return null;
    return disputeForm(this.api, generation, () => {
      this.onEnd();
      this.foot.querySelector(".receipt").replaceWith(receiptSlip(this.api, generation));
    });
  }

  setTitle(words) {
    this.title.textContent = words;
    document.title = `${words} · Atelier`;
  }
}

function outputs(generation) {
  if (!generation.outputs.length) return el("div", { class: "mat empty" }, el("p", {}, reasonOf(generation)));
  const many = generation.outputs.length > 1;
  return el("div", { class: many ? "mats many" : "mats" }, generation.outputs.map((output, index) => figure(generation, output, index)));
}

function figure(generation, output, index) {
  const address = linkTo(output.url);
  const name = `${KINDS[generation.kind]?.name ?? generation.kind} ${index + 1}`;
  const isHeard = output.content_type.startsWith("audio/");
  const shown = isHeard
    ? el("audio", { controls: true, src: address, "aria-label": name })
    : el("a", { href: address, target: "_blank", rel: "noopener" }, el("img", { src: address, alt: generation.prompt ? `${name}: ${generation.prompt}` : name, width: output.width, height: output.height }));
  const size = output.width ? `${output.width} × ${output.height} ` : "";
  const type = output.content_type.split("/")[1];
  const caption = `${size}${(FORMATS[type] ?? type).toUpperCase()}`;
  const link = el("a", { href: address, target: "_blank", rel: "noopener" }, isHeard ? "Download" : "Full size");
  return el("figure", { class: isHeard ? "mat heard" : "mat" }, shown, el("figcaption", {}, caption, " · ", link));
}

function reasonOf({ status, error }) {
  if (error?.code === "outputs_expired") return "It was delivered and is no longer kept.";
  return error?.message ?? (status === "cancelled" ? "It was cancelled before anything was made." : "Nothing was delivered.");
}

/** What was ordered and who made it, in a few words. */
function facts(generation) {
  const maker = generation.made_by?.provider ?? generation.provider;
  const took = generation.ended_at && (Date.parse(generation.ended_at) - Date.parse(generation.created_at)) / 1_000;
  const words = [KINDS[generation.kind]?.name, maker && `made by ${maker}`, took && `in ${duration(took)}`].filter(Boolean);
  return el(
    "div",
    { class: "about-it" },
    generation.prompt && el("p", { class: "prompt" }, generation.prompt),
    el("p", { class: "note" }, generation.test && [el("span", { class: "badge" }, "Test"), " "], words.join(" · "), " · ", el("code", {}, generation.id)),
  );
}
