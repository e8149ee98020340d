// Prints what AsyncAPI's own parser makes of the document at a URL: its messages, and everything it objects to.
import { Parser } from "@asyncapi/parser";

const text = await (await fetch(process.argv[2])).text();
const { document, diagnostics } = await new Parser().parse(text);
const messages = document ? document.allMessages().all().map((message) => message.name()) : [];
console.log(JSON.stringify({ messages, problems: diagnostics.map((problem) => problem.message) }));
