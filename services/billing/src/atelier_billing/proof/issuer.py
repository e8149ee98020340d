"""Issues the receipts of what has ended, in batches beside the hot path."""

from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_billing.proof import receipt_store
from atelier_billing.proof.receipt_store import SignedReceipt
from atelier_billing.proof.receipts import Ending, receipt_of
from atelier_billing.proof.signing_keys import SigningKeys
from atelier_contracts.canonical_json import canonical_json
from atelier_messaging.database import Connection, Pool

BATCH_MAX = 500


class ReceiptIssuer:
    """Signs receipts with the current key, for the log of this name."""

    def __init__(self, pool: Pool, keys: SigningKeys, log: str) -> None:
        self._pool = pool
        self._keys = keys
        self._log = log

    async def issue_due(self) -> None:
        """Issues every receipt that is due."""
        while await self._issue(None) == BATCH_MAX:
            pass

    async def find(self, generation_id: UUID) -> SignedReceipt | None:
        """The receipt of a generation; issues it first where it is due. None before the end."""
        await self._issue(generation_id)
        return await receipt_store.find_latest(self._pool, generation_id)

    async def _issue(self, only: UUID | None) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            return len(await self.issue_batch(connection, only))

    async def issue_batch(self, connection: Connection, only: UUID | None = None) -> list[Ending]:
        """Issues up to ``BATCH_MAX`` receipts, or the one of a generation, in the open transaction."""
        endings = await receipt_store.take_endings(connection, rows_max=BATCH_MAX, only=only)
        signed = [receipt for ending in endings if (receipt := self._signed(ending))]
        if signed:
            await receipt_store.add(connection, signed)
        return endings

    def _signed(self, ending: Ending) -> SignedReceipt | None:
        id_, key_id = uuid7(), self._keys.current.id
        receipt = receipt_of(ending, id=id_, key_id=key_id, log=self._log)
        if receipt is None:
            return None
        body = canonical_json(receipt)
        return SignedReceipt(id_, ending.generation_id, ending.number, body.decode(), key_id, self._keys.sign(body))
