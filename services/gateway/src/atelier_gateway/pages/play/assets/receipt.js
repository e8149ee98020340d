/** The receipt of a generation: each posting, the total, and a check of its signature in this browser. */
import { el, refill } from "./dom.js";
import { problemBox } from "./problems.js";
import { checkReceipt } from "./verify.js";
import { clock, credits, moneyWords } from "./words.js";

const SIGNED_WITHIN_TRIES = 5;
const RETRY_MS = 700;
const POSTING = { reserve: "held", capture: "charged", refund: "went back", return: "returned later" };

/** The slip, which fills itself; `generation` has ended. */
export function receiptSlip(api, generation) {
  const body = el("div", {}, el("p", { class: "note" }, "Fetching …"));
  const slip = el("section", { class: "slip receipt", "aria-label": "Receipt" }, el("h3", {}, "Receipt"), body);
  void fill(api, generation, body).catch((error) => body.replaceChildren(problemBox(error)));
  return slip;
}

async function fill(api, generation, body) {
  const answer = await signedReceipt(api, generation.id);
  const lines = answer.entries.map((entry) =>
    el("tr", {}, el("td", {}, clock(entry.at)), el("td", {}, POSTING[entry.kind] ?? entry.kind), el("td", { class: "figure" }, String(entry.credits))),
  );
  const checks = el("ul", { class: "checks", "aria-live": "polite" });
  refill(
    body,
    lines.length > 0 &&
      el(
        "table",
        {},
        el("caption", { class: "unseen" }, "Postings"),
        el("thead", { class: "unseen" }, el("tr", {}, ["Time", "What", "Credits"].map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", {}, lines),
      ),
    el("p", { class: "total" }, el("span", {}, "Charged"), el("span", { class: "figure" }, credits(answer.credits.captured - (answer.credits.returned ?? 0)))),
    el("p", { class: "note" }, `${moneyWords({ ...generation, credits: answer.credits })}${answer.price_book ? ` Price book ${answer.price_book}.` : ""}`),
    checks,
    el("p", { class: "acts" }, downloadLink(answer, generation.id), el("a", { href: "/docs/design/receipts" }, "Verify it yourself")),
  );
  await showChecks(api, generation, answer, checks);
}

/** Billing signs a second after the end, and again after a return: until then it is asked again, a few times. */
async function signedReceipt(api, id) {
  for (let attempt = 1; ; attempt++) {
    const answer = await api.get(`/v1/generations/${id}/receipt`);
    const isCurrent = answer.signed?.receipt.credits.returned === answer.credits.returned;
    if (isCurrent || attempt === SIGNED_WITHIN_TRIES) return answer;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function showChecks(api, generation, answer, list) {
  const found = answer.signed
    ? await checkReceipt(answer, (await api.get("/.well-known/jwks.json")).keys, await Promise.all(generation.outputs.map(bytesOf)))
    : [{ ok: null, text: "It is not signed yet." }];
  const mark = (ok) => (ok === null ? "–" : ok ? "✓" : "✗");
  const word = (ok) => (ok === null ? "" : ok ? "Checked: " : "Wrong: ");
  list.replaceChildren(
    ...found.map(({ ok, text }) =>
      el("li", { "data-ok": String(ok) }, el("span", { "aria-hidden": "true", class: "mark" }, mark(ok)), el("span", {}, el("span", { class: "unseen" }, word(ok)), text)),
    ),
  );
}

/** The bytes of an output; null where the object store does not let this page read them. */
async function bytesOf(output) {
  try {
    const response = await fetch(output.url, { credentials: "omit" });
    return response.ok ? await response.arrayBuffer() : null;
  } catch {
    return null;
  }
}

function downloadLink(answer, id) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" }));
  return el("a", { href: url, download: `receipt-${id}.json` }, "Download");
}
