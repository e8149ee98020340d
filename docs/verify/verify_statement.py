#!/usr/bin/env python3
"""Verifies Atelier statements without Atelier: no network, one dependency (pip install cryptography), and
verify_receipt.py beside it.

    verify_statement.py --keys jwks.json statement-2026-11.jsonl [statement-2026-12.jsonl ...]

statement-….jsonl: what GET /v1/statements/{month} answers; jwks.json: what GET /.well-known/jwks.json answers. Keep a
copy of your own, it is what you trust. Of one account's statements that follow each other the balances are compared.
Exit status: 0 all are genuine, 1 at least one is not, 2 something cannot be read.
"""

import argparse
import hashlib
import itertools
import sys
from collections import defaultdict
from pathlib import Path

import verify_receipt
from verify_receipt import Invalid, canonical, check_signature, decode, parse, read_keys, require

ROUTES = {
    "grant": ("granted", "available"),
    "reserve": ("available", "held"),
    "capture": ("held", "captured"),
    "refund": ("held", "available"),
    "expire": ("available", "expired"),
    "return": ("captured", "available"),
    "take_back": ("available", "granted"),
}
ACCOUNTS = ("granted", "available", "held", "captured", "expired")
POSTING = ("id", "kind", "grant_id", "debit", "credit", "credits", "posted_at")
USAGE = {"reserved": "reserve", "captured": "capture", "refunded": "refund", "returned": "return"}


def main():
    parser = argparse.ArgumentParser(description="Verifies statements offline.")
    parser.add_argument("statements", nargs="+", type=Path, metavar="statement.jsonl")
    parser.add_argument("--keys", required=True, type=Path, metavar="jwks.json")
    arguments = parser.parse_args()
    failed, verified = 0, []
    try:
        keys = read_keys(parse(arguments.keys.read_text()))
        for file in arguments.statements:
            try:
                statement = verify(file, keys)
                verified.append(statement)
                print(f"{file}: GENUINE", *statement.facts(), sep="\n  ")
            except Invalid as error:
                failed += 1
                print(f"{file}: NOT GENUINE: {error}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"cannot read the input: {error}", file=sys.stderr)
        return 2
    print(f"{len(verified)} of {len(arguments.statements)} statements are genuine")
    for fault in compare_neighbours(verified):
        failed += 1
        print(fault)
    return 1 if failed else 0


def verify(file, keys):
    """The statement in a file. Raises Invalid, with the number of the line at fault."""
    statement, number = Statement(keys), 0
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                statement.add(line)
            except Invalid as error:
                raise Invalid(f"line {number}: {error}") from error
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                raise Invalid(f"line {number} has not the form of one ({type(error).__name__}: {error})") from error
    require(statement.end is not None, f"it breaks off after line {number}: the signature is missing")
    return statement


class Statement:
    """What the lines so far have said."""

    def __init__(self, keys):
        self.keys, self.hash, self.lines = keys, hashlib.sha256(), 0
        self.head = self.end = None
        self.last_id, self.balances = "", {}
        self.postings, self.receipts = defaultdict(list), {}
        self.moved, self.used = defaultdict(int), defaultdict(int)

    def add(self, line):
        require(self.end is None, "there is more after the signature")
        require(line.endswith(b"\n"), "it is cut off")
        value = parse(line.decode())
        if self.head is None:
            self.begin(value)
        elif "receipt" in value:
            self.add_receipt(value)
        elif "statement" in value:
            return self.finish(value)
        elif value["type"] == "atelier.posting.v1":
            self.add_posting(value)
        else:
            require(value["type"] == "atelier.usage.v1", f"{value['type']!r} is not known to this script")
            for name in ("generations", "charged", *USAGE):
                self.used[name] += value[name]
        self.lines += 1
        self.hash.update(line)

    def begin(self, head):
        require(head["type"] == "atelier.statement.v1", f"its type {head['type']!r} is not known to this script")
        require(head["from"] < head["to"], "it is of no period")
        self.head, self.balances = head, signed(head["opening"])

    def add_posting(self, posting):
        require(posting["owner_id"] == self.head["owner"]["id"], "a posting of another account")
        require(self.head["from"] <= posting["posted_at"] < self.head["to"], "a posting of another period")
        require(self.last_id < posting["id"], "a posting twice, or out of order")
        require((posting["debit"], posting["credit"]) == ROUTES[posting["kind"]], "credits do not move in this way")
        require(type(posting["credits"]) is int and posting["credits"] > 0, "a posting moves no credits")
        self.last_id = posting["id"]
        self.balances[posting["debit"]] -= posting["credits"]
        self.balances[posting["credit"]] += posting["credits"]
        if posting["generation_id"] is not None:
            self.moved[posting["kind"]] += posting["credits"]
            self.postings[posting["generation_id"]].append({name: posting[name] for name in POSTING})

    def add_receipt(self, signed_receipt):
        verify_receipt.verify(signed_receipt, self.keys, {})
        receipt = signed_receipt["receipt"]
        id_ = receipt["generation_id"]
        require(receipt["owner"] == self.head["owner"], "a receipt of another account")
        require(receipt["log"] == self.head["log"], "a receipt of another log")
        require(id_ not in self.receipts, f"generation {id_} has two receipts")
        inside = [each for each in receipt["postings"] if self.head["from"] <= each["posted_at"] < self.head["to"]]
        self.receipts[id_] = inside

    def finish(self, value):
        end, signature = value["statement"], value["signature"]
        require(end["type"] == "atelier.statement_end.v1", f"its type {end['type']!r} is not known to this script")
        require(signature["alg"] == "EdDSA", "it is not signed with Ed25519")
        require(signature["key_id"] == end["key_id"], "it names another key than its signature")
        require(end["key_id"] in self.keys, f"its key {end['key_id']} is not in the key file")
        check_signature(self.keys[end["key_id"]], decode(signature["value"]), canonical(end))
        require(end["lines"] == self.lines, f"{end['lines']} lines were signed, {self.lines} are there")
        require(end["sha256"] == self.hash.hexdigest(), "the lines are not those that were signed")
        require(signed(end["closing"]) == self.balances, "the postings do not lead to the closing balance")
        self.compare_receipts()
        self.compare_usage()
        self.end = end

    def compare_receipts(self):
        """Each charge, refund and return has a receipt, and each receipt's postings of the period are all there."""
        for id_, postings in self.postings.items():
            settled = any(posting["kind"] != "reserve" for posting in postings)
            require(not settled or id_ in self.receipts, f"generation {id_} has ended and has no receipt")
        for id_, inside in self.receipts.items():
            same = sorted(inside, key=lambda posting: posting["id"]) == self.postings[id_]
            require(same, f"generation {id_}: its receipt has other postings")

    def compare_usage(self):
        said = {kind: self.used[name] for name, kind in USAGE.items()}
        require(said == {kind: self.moved[kind] for kind in USAGE.values()}, "usage is not the sum of the postings")
        reserved = sum(any(each["kind"] == "reserve" for each in postings) for postings in self.postings.values())
        require(self.used["generations"] == reserved, "usage counts other generations than the postings")
        require(self.used["charged"] == self.moved["capture"] - self.moved["return"], "usage charges otherwise")

    def facts(self):
        head, opening, closing = self.head, self.head["opening"], self.end["closing"]
        moved = self.moved
        yield f"checked: signed by key {self.end['key_id']}, {self.lines} lines unchanged since"
        yield f"checked: {head['owner']['kind']} {head['owner']['id']} from {head['from']} to {head['to']}"
        yield f"checked: {opening['available']} available before, {closing['available']} after; the postings add up"
        yield f"checked: {moved['capture']} credits charged, {moved['return']} returned; usage says the same"
        yield f"checked: {len(self.receipts)} genuine receipts, one for each generation that has ended"
        yield "not checked: whether it stands in the log (inclusion proofs of its postings), and earlier statements"
        if not head["complete"]:
            yield "not checked: the rest of the month, which was not over"


def signed(balances):
    """As double-entry accounts, whose sum is zero. Raises Invalid."""
    accounts = {name: -balances[name] if name == "granted" else balances[name] for name in ACCOUNTS}
    require(all(type(credits) is int for credits in accounts.values()), "a balance is no whole number")
    require(sum(accounts.values()) == 0, "available, held, captured and expired are not what was granted")
    return accounts


def compare_neighbours(statements):
    """A line for each two statements of one account that follow each other and do not fit."""
    ordered = sorted(statements, key=lambda each: (each.head["owner"]["id"], each.head["from"]))
    for before, after in itertools.pairwise(ordered):
        follows = before.head["owner"] == after.head["owner"] and before.head["to"] == after.head["from"]
        if follows and before.end["closing"] != after.head["opening"]:
            yield f"NOT GENUINE: the statement from {after.head['from']} does not begin where the one before ends"


if __name__ == "__main__":
    sys.exit(main())
