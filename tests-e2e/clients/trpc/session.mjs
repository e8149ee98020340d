// The stock tRPC client against a running gateway. Prints one JSON object; the test asserts on it.
import { createTRPCClient, httpBatchLink, httpBatchStreamLink, httpLink, TRPCClientError } from "@trpc/client";

const [url, token, link] = process.argv.slice(2);
const options = {
  url: `${url}/api/trpc`,
  headers: () => ({ authorization: `Bearer ${token}`, "x-atelier-simulate": "outcome=succeed" }),
};
const links = { single: httpLink, batch: httpBatchLink, stream: httpBatchStreamLink };
const trpc = createTRPCClient({ links: [links[link](options)] });

const refusal = async (call) => {
  try {
    await call();
    return "no error";
  } catch (error) {
    return error instanceof TRPCClientError ? { ...error.data, message: error.message } : String(error);
  }
};

const images = ["https://example.com/person.jpg", "https://example.com/garment.jpg"];
const created = await trpc.tryOn.create.mutate({ imageUrls: images });
let session = await trpc.tryOn.get.query({ sessionId: created.sessionId });
for (let tries = 0; tries < 200 && !["completed", "failed"].includes(session.status); tries++) {
  await new Promise((resolve) => setTimeout(resolve, 50));
  session = await trpc.tryOn.get.query({ sessionId: created.sessionId });
}
const [again, page] = await Promise.all([
  trpc.tryOn.get.query({ sessionId: created.sessionId }),
  trpc.tryOn.list.query({ limit: 5 }),
]);
const gallery = await Promise.allSettled(
  Array.from({ length: 25 }, (_, tile) =>
    trpc.tryOn.get.query({ sessionId: tile === 13 ? "01a1fc2b-b645-75f2-a8e8-4dc64127a598" : created.sessionId }),
  ),
);
const shown = gallery.filter((tile) => tile.status === "fulfilled").length;
const noCredits = await refusal(() => trpc.tryOn.create.mutate({ imageUrls: images }));
const invalid = await refusal(() => trpc.tryOn.create.mutate({ imageUrls: [] }));
const unknown = await refusal(() => trpc.tryOn.get.query({ sessionId: "01a1fc2b-b645-75f2-a8e8-4dc64127a598" }));
const nothing = await refusal(() => trpc.tryOn.destroy.mutate({}));
console.log(JSON.stringify({ created, session, again, page, shown, noCredits, invalid, unknown, nothing }));
