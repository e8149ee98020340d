/** Numbers, times and states in words. Pure. */

export const ENDED = new Set(["succeeded", "failed", "cancelled", "expired", "rejected", "deleted"]);

const STATUS = {
  queued: "Waiting for its turn",
  rendering: "Being made",
  delivering: "Waiting to be taken",
  delivering: "Ready, and not fetched yet",
  succeeded: "Delivered",
  failed: "Failed",
  cancelled: "Cancelled",
  expired: "Too late",
  rejected: "Refused",
  deleted: "Deleted",
};

export const statusWords = (status) => STATUS[status] ?? status;

export const credits = (count) => (count === 1 ? "1 credit" : `${count.toLocaleString("en")} credits`);

/** What became of the credits of a generation, in a sentence. */
export function moneyWords(generation) {
  const { reserved, captured, refunded, returned } = generation.credits;
  if (!ENDED.has(generation.status)) return `${credits(reserved)} held until it ends.`;
  if (!reserved) return "Nothing was held, nothing was charged.";
  if (!captured) return `Nothing was charged: ${reserved === 1 ? "the 1 credit" : `all ${credits(reserved)}`} went back.`;
  const back = refunded ? ` of ${credits(reserved)} held; ${refunded} went back` : "";
  const corrected = returned ? `; ${returned} returned since` : "";
  return `${credits(captured)} charged${back}${corrected}.`;
}

/** The n-th, in English. */
export function ordinal(n) {
  const suffix = { 1: "st", 2: "nd", 3: "rd" }[n % 100 > 10 && n % 100 < 14 ? 0 : n % 10] ?? "th";
  return `${n}${suffix}`;
}

/** How long something took or takes: "0.8 s", "12 s", "3 min 5 s". */
export function duration(seconds) {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

export const clock = (text) => new Date(text).toLocaleTimeString("en", { hour12: false });

export const day = (text) =>
  new Date(text).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

export function fileSize(bytes) {
  return bytes >= 1_048_576 ? `${(bytes / 1_048_576).toFixed(1)} MB` : `${Math.max(1, Math.round(bytes / 1024))} KB`;
}
