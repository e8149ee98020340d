// `node count.mjs ADDRESS QUEUE`: counts what it receives, as `python -m atelier_local.bench.event_counter` does, whose
// lines it prints. Two lines of a client that are not Python's: what a subscriber itself costs depends on its client.

import amqp from "amqplib";

const PREFETCH = 1_000;
const ACKNOWLEDGE_EVERY = 250;
const REPORT_EVERY_MS = 500;

const [address, queue] = process.argv.slice(2);
const connection = await amqp.connect(address);
const channel = await connection.createChannel();
let events = 0;
let lastAt = 0;
let ages = [];
let unacknowledged = null;

function acknowledge() {
  if (unacknowledged !== null) channel.ack(unacknowledged, true);
  unacknowledged = null;
}

function handle(message) {
  events += 1;
  lastAt = Number(process.hrtime.bigint()) / 1e9;
  ages.push(Date.now() - Date.parse(message.properties.headers["cloudEvents:time"]));
  unacknowledged = message;
  if (events % ACKNOWLEDGE_EVERY === 0) acknowledge();
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function report() {
  acknowledge();
  const news = ages.length;
  console.log(JSON.stringify({ events, last_at: lastAt, age_ms: news ? median(ages) : null, news }));
  ages = [];
}

await channel.prefetch(PREFETCH);
await channel.consume(queue, handle);
setInterval(report, REPORT_EVERY_MS);
