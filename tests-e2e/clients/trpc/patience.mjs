// The stock tRPC client where things go wrong: a refused prompt, a client that gives up waiting, one that tries again.
// Prints one JSON object; the test asserts on it.
import { createTRPCClient, httpBatchLink, httpBatchStreamLink, httpLink, retryLink, TRPCClientError } from "@trpc/client";

const [url, token, link, ...photos] = process.argv.slice(2);
const links = { single: httpLink, batch: httpBatchLink, stream: httpBatchStreamLink };
const images = ["https://example.com/person.jpg", "https://example.com/garment.jpg"];
const simulated = { "x-atelier-simulate": "outcome=succeed" };

const client = (options, before = [], headers = simulated) =>
  createTRPCClient({
    links: [
      ...before,
      links[link]({ url: `${url}/api/trpc`, headers: () => ({ authorization: `Bearer ${token}`, ...headers }), ...options }),
    ],
  });
const plain = client({});
const ended = async (sessionId) => {
  for (let tries = 0; tries < 400; tries++) {
    const session = await plain.tryOn.get.query({ sessionId });
    if (["completed", "failed"].includes(session.status)) return session;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`session ${sessionId} does not end`);
};

const refuse = async () => {
  const { sessionId } = await client({}, [], {}).tryOn.create.mutate({ imageUrls: photos, prompt: "an unspeakable scene" });
  return ended(sessionId);
};

/** The answer is on its way, and the client does not wait for it: it aborts as soon as the server has answered. */
const giveUp = async () => {
  const patience = new AbortController();
  const late = async (address, options) => {
    const answer = await fetch(address, options);
    patience.abort();
    options.signal.throwIfAborted();
    return answer;
  };
  try {
    await client({ fetch: late }).tryOn.create.mutate({ imageUrls: images }, { signal: patience.signal });
    return { raised: "nothing" };
  } catch (error) {
    const { items } = await plain.tryOn.list.query({});
    const raised = error instanceof TRPCClientError ? "TRPCClientError" : String(error);
    return { raised, cause: error.cause?.name, sessions: items.length, status: (await ended(items[0].sessionId)).status };
  }
};

/** The first try of each call does not reach the server. */
const tryAgain = async () => {
  let sent = 0;
  const broken = (address, options) =>
    sent++ % 2 === 0 ? Promise.reject(new TypeError("fetch failed")) : fetch(address, options);
  const attempts = [];
  const again = retryLink({
    retry: ({ error, attempts: made, op }) => {
      attempts.push([op.path, made, error.data?.code ?? "no answer"]);
      return error.data === undefined && made < 3;
    },
  });
  const patient = client({ fetch: broken }, [again]);
  const { sessionId } = await patient.tryOn.create.mutate({ imageUrls: images });
  await ended(sessionId);
  const { status } = await patient.tryOn.get.query({ sessionId });
  return { attempts, status };
};

const givenUp = await giveUp();
console.log(JSON.stringify({ givenUp, refused: await refuse(), triedAgain: await tryAgain() }));
