#!/usr/bin/env python3
"""Verifies Atelier receipts without Atelier: no network, and one dependency (pip install cryptography).

    verify_receipt.py --keys jwks.json receipt.json [more.json ...]
        [--output picture.png ...] [--proof proof.json --checkpoint checkpoint.txt]

receipt.json: what GET /v1/generations/{id}/receipt answers, or only its member "signed"; in a .jsonl file, one a line.
jwks.json: what GET /.well-known/jwks.json answers; keep a copy of your own, it is what you trust.
proof.json, checkpoint.txt: from GET /v1/log/entries/{receipt id}/inclusion and GET /v1/log/checkpoint.
Exit status: 0 all are genuine, 1 at least one is not, 2 something cannot be read.
"""

import argparse
import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Invalid(ValueError):
    """A check failed; the text says which."""


def main():
    parser = argparse.ArgumentParser(description="Verifies receipts offline.")
    parser.add_argument("receipts", nargs="+", type=Path, metavar="receipt.json")
    parser.add_argument("--keys", required=True, type=Path, metavar="jwks.json")
    parser.add_argument("--output", action="append", default=[], type=Path, metavar="FILE", help="a delivered file")
    parser.add_argument("--proof", type=Path, metavar="proof.json", help="inclusion proof of the (one) receipt")
    parser.add_argument("--checkpoint", type=Path, metavar="checkpoint.txt")
    arguments = parser.parse_args()
    if (arguments.proof is None) != (arguments.checkpoint is None):
        parser.error("--proof and --checkpoint belong together")
    try:
        keys = read_keys(parse(arguments.keys.read_text()))
        answers = [(place, answer) for file in arguments.receipts for place, answer in read_answers(file)]
        delivered = {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in arguments.output}
        proof = parse(arguments.proof.read_text()) if arguments.proof else None
        checkpoint = arguments.checkpoint.read_bytes() if arguments.checkpoint else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"cannot read the input: {error}", file=sys.stderr)
        return 2
    if proof is not None and len(answers) != 1:
        parser.error(f"--proof belongs to one receipt, not to {len(answers)}")
    failed = 0
    for place, answer in answers:
        try:
            facts = verify(answer, keys, delivered)
            print(f"{place}: GENUINE", *facts, verify_inclusion(answer, proof, checkpoint, keys), sep="\n  ")
        except Invalid as error:
            failed += 1
            print(f"{place}: NOT GENUINE: {error}")
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            failed += 1
            print(f"{place}: NOT GENUINE: it has not the form of a receipt ({type(error).__name__}: {error})")
    print(f"{len(answers) - failed} of {len(answers)} receipts are genuine")
    return 1 if failed else 0


def verify(answer, keys, delivered):
    """The lines that say what was checked and what not. Raises Invalid."""
    signed = answer.get("signed") or answer
    receipt, signature = signed["receipt"], signed["signature"]
    require(receipt["type"] == "atelier.receipt.v1", f"its type {receipt['type']!r} is not known to this script")
    require(signature["alg"] == "EdDSA", "it is not signed with Ed25519")
    require(signature["key_id"] == receipt["key_id"], "it names another key than its signature")
    require(receipt["key_id"] in keys, f"its key {receipt['key_id']} is not in the key file")
    check_signature(keys[receipt["key_id"]], decode(signature["value"]), canonical(receipt))
    lines = [f"checked: signed by key {receipt['key_id']}, unchanged since", f"checked: {check_credits(receipt)}"]
    if (document := answer.get("request") if "signed" in answer else None) is None:
        lines.append("not checked: what was asked (no request beside it)")
    else:
        same = hashlib.sha256(canonical(document)).hexdigest() == receipt["request_sha256"]
        require(same, "the request beside it is not the one that was made")
        lines.append("checked: the request beside it is the one that was made")
    hashes = {output["sha256"] for output in receipt["outputs"]}
    for name, digest in delivered.items():
        require(digest in hashes, f"{name} is not one of the outputs that were delivered")
        lines.append(f"checked: {name} is an output as it was delivered")
    if len(delivered) < len(hashes):
        lines.append(f"not checked: {len(hashes) - len(delivered)} of {len(hashes)} outputs (--output)")
    return lines


def check_credits(receipt):
    """Adds the postings up, and compares them with the credits and the outcome."""
    sums = dict.fromkeys(("reserve", "capture", "refund", "return"), 0)
    for posting in receipt["postings"]:
        require(posting["credits"] > 0, "a posting moves no credits")
        sums[posting["kind"]] += posting["credits"]
    said = [receipt["credits"][name] for name in ("reserved", "captured", "refunded", "returned")]
    require(list(sums.values()) == said, "its credits are not the sum of its postings")
    reserved, captured, refunded, returned = said
    require(captured + refunded == reserved, "credits are neither charged nor refunded")
    require(returned <= captured, "more is returned than was charged")
    require(receipt["outcome"] == "succeeded" or not captured, "it charges for what was not delivered")
    moved = f"{reserved} credits reserved = {captured} charged + {refunded} refunded; {returned} returned"
    return f"{receipt['outcome']}: {moved}"


def verify_inclusion(answer, proof, checkpoint, keys):
    """Whether the receipt is a leaf of the tree that the checkpoint signs (RFC 9162, 2.1.3.2). Raises Invalid."""
    if proof is None:
        return "not checked: whether it stands in the log (--proof, --checkpoint)"
    receipt = (answer.get("signed") or answer)["receipt"]
    origin, size, root = read_checkpoint(checkpoint, keys)
    require(origin == receipt["log"], f"the checkpoint is of the log {origin!r}, the receipt of {receipt['log']!r}")
    require(proof["tree_size"] == size, f"the proof is for {proof['tree_size']} leaves, the checkpoint for {size}")
    index, last = proof["leaf_index"], size - 1
    require(0 <= index <= last, "the proof names a leaf beyond the tree")
    node = hashlib.sha256(b"\x00" + canonical(receipt)).digest()
    for sibling in (base64.b64decode(text, validate=True) for text in proof["hashes"]):
        require(last > 0, "the proof is too long")
        if index & 1 or index == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        index, last = index >> 1, last >> 1
    require(last == 0 and node == root, "the proof does not lead to the root of the checkpoint")
    return f"checked: entry {proof['leaf_index']} of the {size} in the log {origin}, as the checkpoint signs"


def read_checkpoint(note, keys):
    """Origin, size and root of a signed checkpoint (C2SP tlog-checkpoint). Raises Invalid."""
    text, _, signatures = note.partition(b"\n\n")
    origin, size, root = (text + b"\n").decode().split("\n")[:3]
    for line in signatures.decode().splitlines():
        name, _, value = line.removeprefix("— ").partition(" ")
        blob = base64.b64decode(value)
        for key in keys.values():
            hint = hashlib.sha256(name.encode() + b"\n\x01" + key.public_bytes_raw()).digest()[:4]
            if name == origin and blob[:4] == hint:
                check_signature(key, blob[4:], text + b"\n")
                return origin, int(size), base64.b64decode(root, validate=True)
    raise Invalid("the checkpoint is not signed by a key in the key file")


def check_signature(key, signature, data):
    try:
        key.verify(signature, data)
    except InvalidSignature as error:
        raise Invalid("the signature is wrong") from error


def read_keys(jwks):
    """The Ed25519 keys of a JSON Web Key Set, by id."""
    keys = [key for key in jwks["keys"] if key.get("kty") == "OKP" and key.get("crv") == "Ed25519"]
    return {key["kid"]: Ed25519PublicKey.from_public_bytes(decode(key["x"])) for key in keys}


def read_answers(file):
    text = file.read_text()
    lines = text.splitlines() if file.suffix == ".jsonl" else [text]
    return [(f"{file}:{number}", parse(line)) for number, line in enumerate(lines, 1)]


def parse(text):
    """JSON in which no name stands twice in an object: readers differ about which one counts."""

    def unique(pairs):
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a name stands twice in one object")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=unique)


def canonical(value):
    """Canonical JSON (RFC 8785), for the values that stand in receipts and requests."""

    def plain(item):
        if isinstance(item, dict):
            return {name: plain(item[name]) for name in sorted(item, key=lambda name: name.encode("utf-16-be"))}
        if isinstance(item, list):
            return [plain(each) for each in item]
        return int(item) if isinstance(item, float) and item.is_integer() else item

    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def decode(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    require(base64.urlsafe_b64encode(data).decode().rstrip("=") == text, f"{text[:20]!r} is not base64url")
    return data


def require(condition, fault):
    if not condition:
        raise Invalid(fault)


if __name__ == "__main__":
    sys.exit(main())
