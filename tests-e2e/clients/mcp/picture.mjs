// A picture through a stock client that is cut off: `node picture.mjs PACKAGE URL KEY SIMULATE REQUEST-KEY`.
// PACKAGE: "sdk" (the handshake of the protocol until 2025-11-25) or "client" (2026-07-28).
// What an agent's host does: connect again when a call is lost, and repeat the call.

const [name, url, key, simulate, requestKey] = process.argv.slice(2);
const PICTURE = { kind: 'image', prompt: 'a red bicycle', size: '256x256' };
const TRIES_MAX = 400;

const { Client, StreamableHTTPClientTransport } =
  name === 'sdk'
    ? {
        ...(await import('@modelcontextprotocol/sdk/client/index.js')),
        ...(await import('@modelcontextprotocol/sdk/client/streamableHttp.js')),
      }
    : await import('@modelcontextprotocol/client');

const headers = { Authorization: `Bearer ${key}`, 'X-Atelier-Simulate': simulate };
const options = name === 'sdk' ? {} : { versionNegotiation: { mode: 'auto' } };
const said = { lost: 0, progress: [] };
let client;

async function connected() {
  if (!client) {
    const fresh = new Client({ name: 'atelier-test', version: '1.0.0' }, options);
    await fresh.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
    client = fresh;
  }
  return client;
}

async function call(tool, args, onprogress) {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    try {
      return await (await connected()).callTool({ name: tool, arguments: args }, ...more(onprogress));
    } catch (error) {
      said.lost += 1;
      said.lastError = `${error}`.slice(0, 300);
      await client?.close().catch(() => {});
      client = undefined;
      await new Promise((wake) => setTimeout(wake, 50));
    }
  }
  throw new Error(`no answer after ${TRIES_MAX} tries: ${said.lastError}`);
}

function more(onprogress) {
  const settings = { timeout: 60_000, onprogress };
  return name === 'sdk' ? [undefined, settings] : [settings];
}

const unlimited = await call('create_generation', { ...PICTURE, idempotency_key: `${requestKey}-unlimited` });
said.unlimited = { isError: unlimited.isError, text: unlimited.content[0].text };

const quote = await call('quote_generation', PICTURE);
said.credits = quote.structuredContent.credits;
const limited = { ...PICTURE, max_credits: said.credits, idempotency_key: requestKey };
const created = await call('create_generation', limited);
said.id = created.structuredContent.id;

let result;
do {
  result = await call('get_result', { id: said.id, wait_s: 25 }, (step) => said.progress.push(step.progress));
} while (!result.isError && !['succeeded'].includes(result.structuredContent.status));

const picture = result.content.find((block) => block.type === 'image');
said.isError = result.isError ?? false;
said.picture = picture && { mimeType: picture.mimeType, data: picture.data };
const receipt = await call('get_receipt', { id: said.id });
said.captured = receipt.structuredContent.credits.captured;
said.revision = client.getNegotiatedProtocolVersion?.() ?? client.transport?.protocolVersion;
await client.close();
console.log(JSON.stringify(said));
