/** "Something is wrong with it": has the outputs examined, and shows the decision with its evidence. */
import { newKey } from "./api.js";
import { announce, el, field, refill, select } from "./dom.js";
import { problemBox } from "./problems.js";
import { credits } from "./words.js";

const TEXT_MAX = 2_000;
const SETTLED_WITHIN_TRIES = 8;
const RETRY_MS = 700;
const REASONS = [
  ["does_not_open", "It does not open"],
  ["blank", "It is blank"],
  ["wrong_size", "It has the wrong size"],
  ["wrong_format", "It has the wrong format"],
  ["same_as_input", "It is what I sent"],
  ["incomplete", "A part is missing"],
  ["poor_quality", "It is of poor quality"],
  ["other", "Something else"],
];
const CHECKS = {
  stored: "It is stored",
  unaltered: "It is as it was delivered",
  opens: "It opens",
  format_as_asked: "It has the format that was ordered",
  size_as_asked: "It has the size that was ordered",
  not_blank: "It is not blank",
  not_an_input: "It is not what was sent",
  long_enough: "It is as long as its text",
};
const MARKS = { right: "✓", wrong: "✗", unknown: "–" };

/** The form, folded; in its place the decision, once there is one. `onReturn()` hears that credits came back. */
export function disputeForm(api, generation, onReturn) {
  const path = `/v1/generations/${generation.id}/disputes`;
  const draft = { reason: REASONS[0][0], text: "" };
  const key = newKey();
  const refusal = el("div");
  const words = el("textarea", { rows: 2, maxlength: TEXT_MAX, oninput: (event) => (draft.text = event.target.value) });
  const button = el("button", {}, "Have it examined");
  const form = el(
    "form",
    { class: "dispute-form", onsubmit: (event) => (event.preventDefault(), void submit()) },
    field("What is wrong?", select(REASONS, draft.reason, (reason) => (draft.reason = reason))),
    field("What do you see?", words),
    el("p", { class: "note" }, "It is examined as it is stored, at once. What is proven broken is returned."),
    refusal,
    button,
  );
  const content = el("div", {}, form);
  const folded = el("details", { class: "dispute" }, el("summary", {}, "Something is wrong with it"), content);

  async function submit() {
    if (button.disabled) return;
    button.disabled = true;
    try {
      const dispute = await settled(await api.postOnce(path, draft, key));
      show(dispute);
      if (dispute.credits) onReturn();
    } catch (error) {
      button.disabled = false;
      const box = problemBox(error);
      refill(refusal, box);
      box.focus();
    }
  }

  /** A decided return is posted a moment later. */
  async function settled(dispute) {
    let now = dispute;
    for (let attempt = 0; now.status === "refunding" && attempt < SETTLED_WITHIN_TRIES; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      now = (await api.get(path)).data.find(({ id }) => id === dispute.id) ?? now;
    }
    return now;
  }

  function show(dispute) {
    const title = el("strong", { tabindex: "-1" }, titleOf(dispute));
    refill(content, el("div", { class: "notice" }, title, el("p", {}, dispute.note ?? dispute.explanation)), evidence(dispute));
    folded.open = true;
    announce(titleOf(dispute));
    return title;
  }

  // One that was raised earlier is shown; an installation that decides none says so when it is asked.
  api.get(path).then(({ data }) => data.length && show(data.at(-1)), () => {});
  return folded;
}

function titleOf({ status, credits: count }) {
  if (status === "refunded") return `${credits(count)} returned.`;
  if (status === "refunding") return `${credits(count)} are being returned.`;
  return status === "review" ? "An operator will look at it." : "Nothing was found wrong with it.";
}

function evidence({ evidence: outputs }) {
  return outputs.map(({ output, checks }) =>
    el(
      "ul",
      { class: "checks", "aria-label": `Output ${output + 1}` },
      checks.map(({ name, result, details }) =>
        el(
          "li",
          { "data-ok": { right: "true", wrong: "false" }[result] ?? "null" },
          el("span", { "aria-hidden": "true", class: "mark" }, MARKS[result]),
          el("span", {}, el("span", { class: "unseen" }, `${result}: `), CHECKS[name] ?? name, el("small", { class: "note details" }, details)),
        ),
      ),
    ),
  );
}
