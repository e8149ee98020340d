// What the scripts of all clients share: the order of the test, a fetch that tells the simulator what to pretend, and
// one JSON object printed with what each scenario made or raised.
import { readFileSync } from "node:fs";

/** {url, model, photo, keys}: where the system is, what to ask for, a PNG's path, and an API key for each scenario. */
export const order = JSON.parse(process.argv[2]);
export const base = `${order.url}/v1`;
export const photo = readFileSync(order.photo);
export const patienceMs = 1500;
export const words = { plain: "a red bicycle", banned: "an unspeakable scene", edit: "with a hat" };

/** A fetch whose nth request asks the simulator for the nth outcome; the last one is for all that follow. */
export const simulating = (...outcomes) => {
  let sent = 0;
  return (address, options = {}) => {
    const headers = new Headers(options.headers);
    headers.set("x-atelier-simulate", outcomes[Math.min(sent++, outcomes.length - 1)]);
    return fetch(address, { ...options, headers });
  };
};
export const succeeding = simulating("outcome=succeed");
export const slow = simulating("outcome=succeed, delay_ms=8000");

/** The format of a picture that came as base64. */
export const formatOf = (picture) => (picture?.startsWith("iVBORw0KGgo") ? "PNG" : `no PNG: ${picture}`.slice(0, 60));

/** Runs all scenarios at once, each with its own key, and prints their results. */
export const play = async (scenarios, describe) => {
  const results = await Promise.all(
    Object.entries(scenarios).map(async ([name, act]) => {
      try {
        return [name, { made: await act(order.keys[name]) }];
      } catch (error) {
        return [name, { raised: describe(error) }];
      }
    }),
  );
  console.log(JSON.stringify(Object.fromEntries(results)));
};
