"""The Merkle tree's promises, against the recursive definition of RFC 9162 and against published roots."""

import base64
from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier_billing.proof.checkpoints import BadCheckpoint, Checkpoint, open_checkpoint, sign_checkpoint
from atelier_billing.proof.merkle import (
    LEVELS,
    WIDTH,
    Accumulator,
    Node,
    Range,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    range_hash,
)

from .receipts import new_keys

# The leaves and the roots of their first 0 to 8, as Certificate Transparency's implementations publish them.
LEAVES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
LEAVES.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
sizes = st.integers(1, 1_200)


def mth(leaves: Sequence[bytes]) -> bytes:
    """The definition: MTH of RFC 9162, 2.1.1."""
    if len(leaves) < 2:
        return sha256(b"\x00" + leaves[0]).digest() if leaves else sha256().digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The definition: PATH of RFC 9162, 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: Sequence[bytes], b: bool) -> list[bytes]:
    """The definition: SUBPROOF of RFC 9162, 2.1.4.1."""
    if m == len(leaves):
        return [] if b else [mth(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*subproof(m, leaves[:k], b), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def leaves_of(size: int) -> list[bytes]:
    return [f"leaf {number}".encode() for number in range(size)]


def stored_of(leaves: Sequence[bytes]) -> dict[Node, bytes]:
    """What is stored of a tree: its leaves, and each complete subtree of every eighth level."""
    stored: dict[Node, bytes] = {}
    level, row = 0, [leaf_hash(leaf) for leaf in leaves]
    while row:
        stored |= {Node(level, position): hash_ for position, hash_ in enumerate(row)}
        level += LEVELS
        row = [mth(leaves[at << level : (at + 1) << level]) for at in range(len(row) // WIDTH)]
    return stored


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_the_published_ones(size: int) -> None:
    tree = Accumulator()
    for leaf in LEAVES[:size]:
        tree.add(leaf_hash(leaf))

    assert tree.root().hex() == ROOTS[size] == mth(LEAVES[:size]).hex()
    assert range_hash(Range(0, size), stored_of(LEAVES[:size])).hex() == ROOTS[size]


@given(sizes, st.data())
def test_an_inclusion_proof_is_the_defined_one(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))

    stored = stored_of(leaves)

    assert [range_hash(each, stored) for each in inclusion_ranges(index, size)] == path(index, leaves)


@given(sizes, st.data())
def test_a_consistency_proof_is_the_defined_one(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    old = data.draw(st.integers(1, size))

    stored = stored_of(leaves)

    assert [range_hash(each, stored) for each in consistency_ranges(old, size)] == subproof(old, leaves, True)


@given(st.integers(2, 2**40), st.data())
def test_a_proof_needs_a_bounded_number_of_stored_hashes(size: int, data: st.DataObject) -> None:
    from atelier_billing.proof.merkle import stored_nodes

    index = data.draw(st.integers(0, size - 1))

    counts = [count for each in inclusion_ranges(index, size) for _, _, count in stored_nodes(each)]

    assert sum(counts) <= 2 * WIDTH * (1 + size.bit_length() // LEVELS)


def test_a_signed_checkpoint_opens_and_an_altered_one_does_not() -> None:
    keys, other = new_keys(), new_keys()
    note = sign_checkpoint(Checkpoint("example.com/log", 5, bytes(32)), keys)

    assert open_checkpoint(note, "example.com/log", keys.public) == Checkpoint("example.com/log", 5, bytes(32))
    assert note.startswith(f"example.com/log\n5\n{base64.b64encode(bytes(32)).decode()}\n\n— example.com/log ")
    for altered, why in (
        (note.replace("\n5\n", "\n6\n"), "not signed"),
        (note.replace("example.com/log\n5", "example.com/other\n5"), "of the log"),
        (note.partition("\n\n")[0], "not signed"),
        ("", "three lines"),
    ):
        with pytest.raises(BadCheckpoint, match=why):
            open_checkpoint(altered, "example.com/log", keys.public)
    with pytest.raises(BadCheckpoint, match="not signed"):
        open_checkpoint(note, "example.com/log", other.public)
