"""How receipts are kept: raw DEFLATE (RFC 1951) with a preset dictionary, a quarter of their canonical JSON.

Receipts are never deleted, so every dictionary does: the first byte of what is stored says which one was used.
"""

import zlib

VERSION = 1
BODY_BYTES_MAX = 1_000_000
_DICTIONARIES = {
    1: (
        b'{"code":"provider_failedinsufficient_creditscancelledprovider_timeoutcontent_refused",'
        b'"outputs":[{"bytes":"media_type":"audio/mpeg","audio/wav","image/jpeg","image/webp",'
        b'"credit":"available","credits":10,"debit":"captured","kind":"return",'
        b'"kind":"refund","kind":"narration","on_model","flat_lay","image","product_shot",'
        b'"outcome":"failed","expired","cancelled","rejected","kind":"user","kind":"workspace",'
        b'"provider":"openai","google","diffusers","narration","provider":"simulator","price_book":null,'
        b'"surface":"formimagesonmodelopenaistoriesnative","reused":true,'
        b'"code":null,"credits":{"captured":1,"refunded":0,"reserved":1,"returned":0},"ended_at":"20'
        b'-0T00:00:00.000000Z","generation_id":"01","id":"01","key_id":"","kind":"try_on","log":"",'
        b'"model":null,"number":1,"outcome":"succeeded","outputs":[],"outputs":[{"bytes":0,'
        b'"media_type":"image/png","sha256":"abcdef0123456789"}],"owner":{"id":"01","kind":"store"},"postings":['
        b'{"credit":"held","credits":1,"debit":"available","grant_id":"01","id":"01","kind":"reserve",'
        b'"posted_at":"20-0T00:00:00.000000Z"},{"credit":"available","credits":1,"debit":"held","grant_id":"01",'
        b'{"credit":"captured","credits":1,"debit":"held","grant_id":"01","id":"01","kind":"capture",'
        b'"posted_at":"20-0T00:00:00.000000Z"}],"price_book":{"sha256":"abcdef0123456789","version":"v2"},'
        b'"provider":"local","request_sha256":"0123456789abcdef","requested_at":"20-0T00:00:00.000000Z",'
        b'"reused":false,"surface":"b2b","type":"atelier.receipt.v1"}'
    ),
}
"""By version. One that receipts were written with is never changed or removed."""
_WINDOW, _MEMORY_LEVEL = -12, 5
"""4 kB hold the dictionary and a receipt. The usual 32 kB make it no shorter, and clearing them takes longer than
packing does. A reader with the largest window reads both."""


def pack(body: bytes) -> bytes:
    """The bytes that are stored for these."""
    packer = zlib.compressobj(6, zlib.DEFLATED, _WINDOW, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, _DICTIONARIES[VERSION])
    return bytes([VERSION]) + packer.compress(body) + packer.flush()


def unpack(stored: bytes) -> bytes:
    """The bytes that were packed. Raises ValueError where they cannot be read."""
    try:
        unpacker = zlib.decompressobj(-15, _DICTIONARIES[stored[0]])
        body = unpacker.decompress(stored[1:], BODY_BYTES_MAX)
    except (zlib.error, KeyError, IndexError) as error:
        raise ValueError(f"these {len(stored)} bytes are no packed receipt: {error!r}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"these {len(stored)} bytes are no whole packed receipt")
    return body
