"""Does one scenario with the Python client and prints what each step gave, as JSON; the test compares.

Arguments: ``blocking`` or ``awaiting``, and a file with ``{url, key, steps, files}``.
"""

import asyncio
import hashlib
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

import httpx

import atelier_client
from atelier_client import AsyncAtelier, Atelier, AtelierError, ProblemError


class Runner:
    """Steps, one after another, over either client."""

    def __init__(self, client: Any, job: dict[str, Any]) -> None:
        self.client, self.job, self.named = client, job, {"month": job.get("month")}

    async def run(self) -> list[Any]:
        """What each step gave."""
        return [await self.step(step) for step in self.job["steps"]]

    async def step(self, step: dict[str, Any]) -> Any:
        """What it gave, or the error that it raised."""
        step = self.filled(step)
        try:
            given = await getattr(self, f"do_{step['do']}", self.plain)(step)
        except AtelierError as error:
            given = {"raised": type(error).__name__}
            if isinstance(error, ProblemError):
                given |= {"status": error.status, "code": error.code, "title": error.title}
        self.named[step.get("as", "")] = given
        return given

    def filled(self, value: Any) -> Any:
        """The same with each ``$name.path`` replaced by what an earlier step gave."""
        if isinstance(value, dict):
            return {name: self.filled(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.filled(inner) for inner in value]
        if isinstance(value, str) and re.fullmatch(r"\$[\w.]+", value):
            return self.found(value[1:])
        if isinstance(value, str):
            return re.sub(r"\$([\w.]+)", lambda match: str(self.found(match[1])), value)
        return value

    def found(self, path: str) -> Any:
        value: Any = self.named
        for part in path.split("."):
            value = value[int(part) if isinstance(value, list) else part]
        return value

    async def plain(self, step: dict[str, Any]) -> Any:
        """A method that takes an id or the fields of a request."""
        positional = [step["of"]] if "of" in step else []
        named = dict(step.get("with", {}))
        named |= {"idempotency_key": step["key"]} if "key" in step else {}
        named |= {name: step[name] for name in ("simulate", "timeout_s") if name in step}
        return await self.value_of(getattr(self.client, step["do"])(*positional, **named))

    async def value_of(self, given: Any) -> Any:
        """Of a coroutine its result, of a stream its items."""
        if inspect.iscoroutine(given):
            return await given
        if hasattr(given, "__aiter__"):
            return [item async for item in given]
        return list(given) if hasattr(given, "__next__") else given

    async def do_subscribe(self, step: dict[str, Any]) -> Any:
        events = await self.value_of(self.client.subscribe(step["of"]))
        ids = [event.id for event in events if event.id]
        return {"last": events[-1].status, "repeated": len(ids) - len(set(ids))}

    async def do_download(self, step: dict[str, Any]) -> Any:
        content = await self.value_of(self.client.download(step["of"]))
        return {"checksum": f"sha256:{hashlib.sha256(content).hexdigest()}"}

    async def do_statement(self, step: dict[str, Any]) -> Any:
        content = await self.value_of(self.client.statement(step["of"], **step.get("with", {})))
        if content.startswith(b"<!doctype html>"):
            return {"page": True}
        first, *_, last = map(json.loads, content.splitlines())
        granted = "granted" if "granted" in last["statement"]["closing"] else None
        return {"type": first["type"], "complete": first["complete"], "closing": granted, "signed": "signature" in last}

    async def do_upload(self, step: dict[str, Any]) -> Any:
        if "file" in step["with"]:
            return await self.value_of(self.client.upload(Path(self.job["files"]) / step["with"]["file"]))
        name = step["with"]["bytes"]
        content = (Path(self.job["files"]) / name).read_bytes()
        return await self.value_of(self.client.upload(content, filename=name))

    async def do_faults(self, step: dict[str, Any]) -> Any:
        return await self.ask_proxy("_faults", step["with"])

    async def do_requests(self, step: dict[str, Any]) -> Any:
        return await self.ask_proxy("_requests", step["with"])

    async def ask_proxy(self, path: str, body: Any) -> Any:
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.post(f"{self.job['url']}/{path}", json=body)).json()


async def main(how: str, job: dict[str, Any]) -> list[Any]:
    credentials = {"api_key": job["key"], "base_url": job["url"]}
    if how == "awaiting":
        async with AsyncAtelier(**credentials, http=httpx.AsyncClient(trust_env=False, timeout=30)) as client:
            return await Runner(client, job).run()
    with Atelier(**credentials, http=httpx.Client(trust_env=False, timeout=30)) as client:
        return await Runner(client, job).run()


if __name__ == "__main__":
    assert "site-packages" in atelier_client.__file__, "the client under test is the one that was built"
    json.dump(asyncio.run(main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))), sys.stdout)
