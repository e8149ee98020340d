/** The generations of this account, newest first, page by page. */
import { announce, el, linkTo, refill } from "./dom.js";
import { KINDS } from "./kinds.js";
import { problemBox } from "./problems.js";
import { credits, day, ENDED, statusWords } from "./words.js";

const PAGE = 12;

export class History {
  /** `onOpen(generation)` is called for the one that is clicked. */
  constructor(api, element, { onOpen }) {
    Object.assign(this, { api, element, onOpen, cursor: null });
    this.list = el("ol", { class: "contact-sheet" });
    this.more = el("button", { type: "button", hidden: true, onclick: () => void this.load() }, "Show more");
    this.foot = el("div");
    element.replaceChildren(el("h2", { id: "history-title" }, "Your generations"), this.list, this.foot, this.more);
  }

  async refresh() {
    this.cursor = null;
    await this.load();
  }

  async load() {
    const query = new URLSearchParams({ limit: String(PAGE), ...(this.cursor && { cursor: this.cursor }) });
    try {
      const page = await this.api.get(`/v1/generations?${query}`);
      const entries = page.data.map((generation) => this.entry(generation));
      if (!this.cursor) refill(this.list);
      else announce(`${entries.length} more.`);
      const isMore = Boolean(this.cursor);
      this.list.append(...entries);
      if (isMore) entries[0]?.querySelector("button").focus();
      this.cursor = page.next_cursor;
      this.more.hidden = !this.cursor;
      refill(this.foot, !this.list.children.length && el("p", { class: "note" }, "Nothing yet. What you order is listed here."));
    } catch (error) {
      refill(this.foot, problemBox(error));
    }
  }

  entry(generation) {
    const { kind, status, outputs, prompt, created_at: at, credits: money } = generation;
    const name = KINDS[kind]?.name ?? kind;
    const thumbnail = linkTo(outputs[0]?.thumbnail ?? undefined);
    const state = status === "succeeded" ? credits(money.captured - (money.returned ?? 0)) : statusWords(status);
    const onclick = () => void this.onOpen(generation);
    return el(
      "li",
      { "data-ended": String(ENDED.has(status)) },
      el(
        "button",
        { type: "button", onclick },
        el("span", { class: "thumb" }, thumbnail ? preview(thumbnail) : blank(kind === "narration" && outputs.length ? "♪" : "–")),
        el("span", { class: "entry-name" }, name),
        el("span", { class: "note" }, `${day(at)} · ${state}`),
        prompt && el("span", { class: "unseen" }, `: ${prompt}`),
      ),
    );
  }
}

/** A thumbnail; its address is good for a quarter of an hour. */
function preview(address) {
  const picture = el("img", { src: address, alt: "", loading: "lazy" });
  picture.addEventListener("error", () => picture.replaceWith(blank("–")));
  return picture;
}

const blank = (sign) => el("span", { class: "no-preview", "aria-hidden": "true" }, sign);
