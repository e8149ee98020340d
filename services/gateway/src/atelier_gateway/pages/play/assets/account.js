/** Who is signed in, and what can be spent: the balance of an account, or what is left of a client token. */
import { clock, credits } from "./words.js";

const CLIENT_TOKEN = "atc_";
/** Keys that order from the simulator, for credits that are worth nothing. */
const TEST_KEY = /^at[a-z]_test_/;

export class Account {
  constructor(api, credential) {
    Object.assign(this, { api, isToken: credential.startsWith(CLIENT_TOKEN), isTest: TEST_KEY.test(credential) });
    Object.assign(this, { available: null, until: null, kinds: null, canRead: true });
  }

  /** Reads it anew. Rejects with Problem, ConnectionLost. */
  async refresh() {
    if (!this.isToken) {
      this.available = (await this.api.get("/v1/credits")).available;
      return;
    }
    const token = await this.api.get("/v1/client-tokens/current");
    this.available = token.credits.left;
    this.until = token.expires_at;
    this.kinds = token.kinds;
    this.canRead = token.scopes.includes("read");
  }

  /** Whether it may order this kind. */
  mayOrder(kind) {
    return this.kinds === null || this.kinds.includes(kind);
  }

  get words() {
    if (this.available === null) return "";
    const amount = this.isTest ? credits(this.available).replace("credit", "test credit") : credits(this.available);
    return this.until ? `${amount} left until ${clock(this.until).slice(0, 5)}` : amount;
  }
}
