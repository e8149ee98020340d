/** What went wrong, in plain words, with what support needs to find it. */
import { ConnectionLost, Problem } from "./api.js";
import { el } from "./dom.js";
import { credits } from "./words.js";

const WORDS = {
  unauthorized: ["This key is not valid here.", "Was the whole of it copied? A revoked key stops working within seconds."],
  account_disabled: ["This account is suspended.", "Ask the operator of this installation."],
  token_scope: ["This client token does not allow that.", ""],
  origin_refused: ["This client token is not for this page.", `It has to name ${globalThis.location?.origin} among its origins.`],
  workspace_forbidden: ["This workspace is not yours.", "Check its ID, or leave it out."],
  invalid_image: ["A photo cannot be used.", ""],
  content_refused: ["The content rules of this installation do not allow this.", ""],
  spend_limit_exceeded: ["The price has changed.", "Order again if you agree. Nothing was charged."],
  quote_refused: ["The price that was shown does not hold any more.", "Order again if you agree with the new one. Nothing was charged."],
  unpriced: ["There is no price for this combination.", ""],
  rate_limited: ["Too many requests.", "Nothing was made or charged."],
  tenant_queue_full: ["Too much of yours is waiting already.", "Wait until some of it has ended. Nothing was charged."],
  queue_full: ["It is full at the moment.", "Try again in a little while. Nothing was charged."],
  unavailable: ["A part of the service does not answer.", "Try again in a little while. Nothing was charged."],
};
const SAYS_ENOUGH = new Set(["unauthorized", "account_disabled", "workspace_forbidden", "origin_refused"]);
const WHO_GIVES_MORE = {
  insufficient_credits: { title: "Not enough credits.", who: "The operator of this installation can grant more." },
  token_cap_reached: { title: "The limit of this client token is reached.", who: "Whoever gave it to you can make another." },
};

/** A box that can be focused, with title, advice, the problem's code and the request's id. `labelOf` says what the page
 * calls a field of the request. */
export function problemBox(error, labelOf = (field) => field) {
  const { title, advice } = wordsOf(error, labelOf);
  const facts =
    error instanceof Problem &&
    el(
      "p",
      { class: "facts" },
      el("a", { href: `/problems/${encodeURIComponent(error.code)}`, target: "_blank", rel: "noopener" }, el("code", {}, error.code)),
      error.requestId && [" · request ", el("code", {}, error.requestId)],
    );
  return el("div", { class: "notice bad", role: "alert", tabindex: "-1" }, el("strong", {}, title), advice && el("p", {}, advice), facts);
}

function wordsOf(error, labelOf) {
  if (error instanceof ConnectionLost) {
    const advice = "Check your connection and try again. An order goes out again under the same key, so that it is made, and paid, once.";
    return { title: "The connection was lost.", advice };
  }
  if (!(error instanceof Problem)) return { title: "Something went wrong in this page.", advice: String(error.message ?? error) };
  if (error.code in WHO_GIVES_MORE) {
    const { required, available } = error.extra;
    const { title, who } = WHO_GIVES_MORE[error.code];
    return { title, advice: `It needs ${credits(required)}, you have ${available}. ${who} Nothing was charged.` };
  }
  const [title, more] = WORDS[error.code] ?? [`${error.title ?? "It was refused"}.`, ""];
  const fields = error.errors.map(({ field, message }) => `${labelOf(field)}: ${message}`).join(" ");
  const detail = SAYS_ENOUGH.has(error.code) ? "" : fields || error.message;
  const wait = error.retryAfterS ? `Try again in ${error.retryAfterS} s.` : "";
  return { title, advice: [detail, more, wait].filter(Boolean).join(" ") };
}
