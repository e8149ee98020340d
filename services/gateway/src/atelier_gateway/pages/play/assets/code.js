/** The order as code, in one of three languages, ready to copy. */
import { announce, el, newId } from "./dom.js";
import { samplesOf } from "./samples.js";

const LANGUAGES = { curl: "curl", python: "Python", typescript: "TypeScript" };
const SAID_MS = 2_000;

export class Code {
  constructor(workspace) {
    this.workspace = workspace;
    this.language = "curl";
    this.samples = {};
    const panel = newId("code");
    this.text = el("code", {});
    this.panel = el("pre", { id: panel, role: "tabpanel", tabindex: "0" }, this.text);
    this.tabs = Object.entries(LANGUAGES).map(([language, name]) =>
      el("button", { type: "button", role: "tab", id: newId("tab"), "aria-controls": panel, "data-language": language, onclick: () => this.choose(language) }, name),
    );
    this.copyButton = el("button", { type: "button", class: "quiet", onclick: () => void this.copy() }, "Copy");
    this.element = el(
      "details",
      { class: "code", open: matchMedia("(min-width: 62rem)").matches },
      el("summary", {}, "The same as code"),
      el("div", { class: "tabs" }, el("div", { role: "tablist", "aria-label": "Language", onkeydown: (event) => this.move(event) }, this.tabs), this.copyButton),
      this.panel,
      el("p", { class: "note" }, "Your key is not in it: the code reads it from ATELIER_KEY. ", el("a", { href: "/docs/start/clients" }, "How to install the clients")),
    );
    this.choose("curl");
  }

  show(request, files) {
    this.samples = samplesOf(request, files, { origin: location.origin, workspace: this.workspace });
    this.text.textContent = this.samples[this.language];
  }

  choose(language) {
    this.language = language;
    for (const tab of this.tabs) {
      const isChosen = tab.dataset.language === language;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      if (isChosen) this.panel.setAttribute("aria-labelledby", tab.id);
    }
    this.text.textContent = this.samples[language] ?? "";
  }

  /** Arrow keys go from tab to tab. */
  move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = this.tabs.findIndex((tab) => tab.dataset.language === this.language);
    const next = this.tabs[(at + step + this.tabs.length) % this.tabs.length];
    this.choose(next.dataset.language);
    next.focus();
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.samples[this.language]);
      this.copyButton.textContent = "Copied";
      announce("Copied.");
    } catch {
      getSelection().selectAllChildren(this.text);
      this.copyButton.textContent = "Selected";
    }
    setTimeout(() => (this.copyButton.textContent = "Copy"), SAID_MS);
  }
}
