"""One form of bytes for one JSON value (RFC 8785), so that hashes and signatures of it can be repeated by anyone.

The standard library writes strings and whole numbers as the RFC says. Other numbers are limited to the range in which
it does so too; a value outside is refused, never written in two ways.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256

SAFE_INTEGER_MAX = 2**53 - 1
"""Beyond it readers of JSON disagree about whole numbers (RFC 7493)."""
FLOAT_MIN, FLOAT_MAX = 1e-4, 1e15
"""Between these, the shortest decimal form has no exponent in any implementation."""


class NotCanonical(ValueError):
    """The value has no canonical form here; the text says where and why."""


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True)


def canonical_json(value: object) -> bytes:
    """The canonical UTF-8 bytes of a JSON value. Raises NotCanonical."""
    if _is_simple(value):
        return _ENCODER.encode(value).encode()
    plain = _plain(value, "$")
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def canonical_sha256(value: object) -> str:
    """SHA-256 of the canonical bytes, in hex. Raises NotCanonical."""
    return sha256(canonical_json(value)).hexdigest()


def _is_simple(value: object) -> bool:
    """Whether the standard library writes it canonically as it is: no number with a fraction, and only names that sort
    by code points as they do by UTF-16 code units. Receipts and postings are so, and there are many of them."""
    if type(value) is str:
        return value.isascii()
    if type(value) is dict:
        return all(type(name) is str and name.isascii() and _is_simple(item) for name, item in value.items())
    if type(value) is list:
        return all(_is_simple(item) for item in value)
    if type(value) is int:
        return -SAFE_INTEGER_MAX <= value <= SAFE_INTEGER_MAX
    return value is None or type(value) is bool


def _plain(value: object, path: str) -> object:
    match value:
        case None | bool():
            return value
        case str():
            return _checked_text(value, path)
        case int():
            if abs(value) > SAFE_INTEGER_MAX:
                raise NotCanonical(f"{path}: a whole number beyond 2^53 - 1")
            return value
        case float():
            return _plain_number(value, path)
        case Mapping():
            return {name: _plain(value[name], f"{path}.{name}") for name in _sorted_names(value, path)}
        case Sequence() if not isinstance(value, bytes | bytearray):
            return [_plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    raise NotCanonical(f"{path}: {type(value).__name__} is no JSON value")


def _plain_number(value: float, path: str) -> float | int:
    if value.is_integer() and abs(value) < FLOAT_MAX:
        return int(value)
    if not FLOAT_MIN <= abs(value) < FLOAT_MAX:
        raise NotCanonical(f"{path}: the number {value!r} is outside {FLOAT_MIN:g} to {FLOAT_MAX:g}")
    return value


def _sorted_names(value: Mapping[object, object], path: str) -> list[str]:
    """By UTF-16 code units, as the RFC says."""
    names = []
    for name in value:
        if not isinstance(name, str):
            raise NotCanonical(f"{path}: the name {name!r} is not a string")
        names.append(_checked_text(name, path))
    return sorted(names, key=lambda name: name.encode("utf-16-be"))


def _checked_text(text: str, path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotCanonical(f"{path}: a lone surrogate is no text") from None
    return text
