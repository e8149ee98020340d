"""An append-only Merkle tree as RFC 9162 hashes it, over leaves that are stored elsewhere. Pure.

Of the inner nodes only those of every eighth level are stored, once they are complete: a root or a proof needs at most
255 hashes of each stored level, whatever the size of the tree.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

LEVELS = 8
"""Levels from one stored level to the next."""
WIDTH = 1 << LEVELS
EMPTY_ROOT = sha256().digest()


class Node(NamedTuple):
    """The complete subtree over the leaves from ``position << level`` on, ``1 << level`` of them."""

    level: int
    position: int


class Range(NamedTuple):
    """The leaves from ``first`` to before ``end``; one that a recursive split of the tree arrives at."""

    first: int
    end: int


Hashes = Mapping[Node, bytes]


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Those whose hashes prove that leaf ``index`` is in the tree of ``size`` leaves, from the leaf upwards."""
    path = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            path.append(Range(middle, end))
            end = middle
        else:
            path.append(Range(first, middle))
            first = middle
    return path[::-1]


def consistency_ranges(old: int, size: int) -> list[Range]:
    """Those whose hashes prove that the tree of ``size`` leaves continues the one of ``old``, 0 < old <= size."""
    path = []
    first, end, is_old_root = 0, size, True
    while old != end:
        middle = first + _split(end - first)
        if old <= middle:
            path.append(Range(middle, end))
            end = middle
        else:
            path.append(Range(first, middle))
            first, is_old_root = middle, False
    if not is_old_root:
        path.append(Range(first, end))
    return path[::-1]


def subtrees_of(leaves: Range) -> list[Node]:
    """The complete subtrees that make up the range, the largest first."""
    nodes, first = [], leaves.first
    while first < leaves.end:
        level = (leaves.end - first).bit_length() - 1
        nodes.append(Node(level, first >> level))
        first += 1 << level
    return nodes


def stored_nodes(leaves: Range) -> Iterator[tuple[int, int, int]]:
    """Level, first position and number of the stored nodes that the hash of the range is made of."""
    for node in subtrees_of(leaves):
        above = node.level % LEVELS
        yield node.level - above, node.position << above, 1 << above


def range_hash(leaves: Range, stored: Hashes) -> bytes:
    """The hash of the range from the ``stored_nodes`` of it. Raises KeyError for one that is missing."""
    if leaves.first == leaves.end:
        return EMPTY_ROOT
    hashes = [_subtree_hash(node, stored) for node in subtrees_of(leaves)]
    result = hashes.pop()
    while hashes:
        result = node_hash(hashes.pop(), result)
    return result


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of neighbours of one level."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


class Accumulator:
    """The root of a tree that grows leaf by leaf, in logarithmic space."""

    def __init__(self) -> None:
        self.size = 0
        self._complete: list[tuple[int, bytes]] = []

    def add(self, leaf: bytes) -> None:
        """Appends the hash of a leaf."""
        level, self.size = 0, self.size + 1
        while self._complete and self._complete[-1][0] == level:
            leaf = node_hash(self._complete.pop()[1], leaf)
            level += 1
        self._complete.append((level, leaf))

    @property
    def complete(self) -> list[tuple[int, bytes]]:
        """The complete subtrees so far, the largest first, each by its level: what ``restored`` continues from."""
        return list(self._complete)

    @classmethod
    def restored(cls, size: int, complete: Sequence[tuple[int, bytes]]) -> "Accumulator":
        """One that continues after so many leaves."""
        tree = cls()
        tree.size, tree._complete = size, list(complete)
        return tree

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._complete:
            return EMPTY_ROOT
        *others, (_, result) = self._complete
        for _, left in reversed(others):
            result = node_hash(left, result)
        return result


def _split(leaves: int) -> int:
    """The largest power of two below the number of leaves."""
    return 1 << ((leaves - 1).bit_length() - 1)


def _subtree_hash(node: Node, stored: Hashes) -> bytes:
    above = node.level % LEVELS
    first = node.position << above
    return fold([stored[Node(node.level - above, position)] for position in range(first, first + (1 << above))])
