"""Issues the receipts of what has ended, in batches beside the hot path."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_billing.proof import receipt_store
from atelier_billing.proof.receipt_store import SignedReceipt
from atelier_billing.proof.receipts import Ending, receipt_of
from atelier_billing.proof.signing_keys import SigningKeys
from atelier_contracts.canonical_json import canonical_json
from atelier_messaging.database import Connection, Pool

BATCH_MAX = 500


@dataclass(frozen=True, slots=True)
class SignedBatch:
    """Ends out of the queue, with their receipts; an end of which no owner is known has none."""

    endings: Sequence[Ending]
    receipts: Sequence[SignedReceipt]


class ReceiptIssuer:
    """Signs receipts with the current key, for the log of this name."""

    def __init__(self, pool: Pool, keys: SigningKeys, log: str) -> None:
        self._pool = pool
        self._keys = keys
        self._log = log

    async def find(self, generation_id: UUID) -> SignedReceipt | None:
        """The receipt of a generation; issues it first where it is due. None before the end."""
        async with self._pool.acquire() as connection, connection.transaction():
            batch = await self.sign_batch(connection, generation_id)
            await receipt_store.add(connection, batch.receipts)
        return await receipt_store.find_latest(self._pool, generation_id)

    async def sign_batch(self, connection: Connection, only: UUID | None = None) -> SignedBatch:
        """Signs up to ``BATCH_MAX`` receipts that are due, or the one of a generation. The open transaction takes them
        out of the queue; it has to store them, too."""
        endings = await receipt_store.take_endings(connection, rows_max=BATCH_MAX, only=only)
        return SignedBatch(endings, [receipt for ending in endings if (receipt := self._signed(ending))])

    def _signed(self, ending: Ending) -> SignedReceipt | None:
        id_, key_id = uuid7(), self._keys.current.id
        receipt = receipt_of(ending, id=id_, key_id=key_id, log=self._log)
        if receipt is None:
            return None
        body = canonical_json(receipt)
        return SignedReceipt(id_, ending.generation_id, ending.number, body.decode(), key_id, self._keys.sign(body))
