/** The same order as curl, Python and TypeScript. The credential is never in it. Pure. */

const ENDINGS_THAT_PYTHON_MISSES = /\.(heic|heif|avif|webp)$/i;

/** `{curl, python, typescript}` for a request. `files` are names and types of its photos, `{name, type}`, in order. */
export function samplesOf(request, files, { origin, workspace = "" }) {
  return {
    curl: curl(request, files, origin, workspace),
    python: python(request, files, origin, workspace),
    typescript: typescript(request, files, origin, workspace),
  };
}

function curl(request, files, origin, workspace) {
  const marks = files.map((_, index) => `@@${index}@@`);
  const inputs = request.inputs?.map(({ role }, index) => ({ role, data: marks[index] }));
  const body = JSON.stringify({ ...request, ...(inputs && { inputs }) }, null, 2);
  const head = [
    `curl -sS ${quoted(`${origin}/v1/generations`)}`,
    `  -H "Authorization: Bearer $ATELIER_KEY"`,
    ...(workspace ? [`  -H ${quoted(`X-Workspace-Id: ${workspace}`)}`] : []),
    `  -H 'Content-Type: application/json'`,
    `  -H 'Idempotency-Key: order-4711' -H 'Prefer: wait=30'`,
  ].join(" \\\n");
  if (!files.length) return `${head} \\\n  --data-binary @- <<'JSON'\n${body}\nJSON\n`;
  // In a here-document that fills in files, the shell reads $, ` and \ of the text, too.
  const filled = files.reduce(
    (text, { name, type }, index) => text.replace(marks[index], () => `data:${type};base64,$(base64 < ${quoted(name)} | tr -d '\\n')`),
    body.replace(/[\\$`]/g, "\\$&"),
  );
  return `${head} \\\n  --data-binary @- <<JSON\n${filled}\nJSON\n`;
}

function python(request, files, origin, workspace) {
  const { inputs = [], ...fields } = request;
  const given = Object.entries(fields).map(([name, value]) => `        ${name}=${JSON.stringify(value)},\n`);
  const uploads = files.map(({ name, type }) => {
    const typed = ENDINGS_THAT_PYTHON_MISSES.test(name) ? `, content_type=${JSON.stringify(type)}` : "";
    return `atelier.upload(${JSON.stringify(name)}${typed})["key"]`;
  });
  const listed = inputs.map(({ role }, index) => `            {"role": "${role}", "key": ${uploads[index]}},\n`);
  const options = `base_url=${JSON.stringify(origin)}${workspace && `, workspace_id=${JSON.stringify(workspace)}`}`;
  return [
    "from pathlib import Path\n\nfrom atelier_client import Atelier\n\n",
    `with Atelier(${options}) as atelier:  # the key: ATELIER_KEY\n`,
    "    generation = atelier.create(\n",
    ...given,
    ...(listed.length ? ["        inputs=[\n", ...listed, "        ],\n"] : []),
    "    )\n",
    "    generation = atelier.wait(generation)\n",
    '    print(generation["status"], generation["credits"])\n',
    '    for number, output in enumerate(generation["outputs"], 1):\n',
    `        Path(f"result-{number}.${resultEnding(request)}").write_bytes(atelier.download(output))\n`,
  ].join("");
}

function typescript(request, files, origin, workspace) {
  const { inputs = [], ...fields } = request;
  const given = Object.entries(fields).map(([name, value]) => `  ${name}: ${JSON.stringify(value)},\n`);
  const listed = inputs.map(
    ({ role }, index) => `    { role: "${role}", key: (await atelier.upload(await openFile(${JSON.stringify(files[index].name)}))).key },\n`,
  );
  const options = `{ baseUrl: ${JSON.stringify(origin)}${workspace && `, workspaceId: ${JSON.stringify(workspace)}`} }`;
  return [
    'import { writeFile } from "node:fs/promises";\nimport { Atelier } from "@atelier/client";\n',
    files.length ? 'import { openFile } from "@atelier/client/node";\n' : "",
    `\nconst atelier = new Atelier(${options}); // the key: ATELIER_KEY\n`,
    "const created = await atelier.create({\n",
    ...given,
    ...(listed.length ? ["  inputs: [\n", ...listed, "  ],\n"] : []),
    "});\n",
    "const generation = await atelier.wait(created);\n",
    "console.log(generation.status, generation.credits);\n",
    "for (const [index, output] of generation.outputs.entries()) {\n",
    `  await writeFile(\`result-\${index + 1}.${resultEnding(request)}\`, (await atelier.download(output)).stream());\n`,
    "}\n",
  ].join("");
}

const resultEnding = (request) => (request.kind === "narration" ? request.audio_format : request.format) ?? "png";

/** As one word of a shell. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
