"""The shapes of receipts for the OpenAPI document."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from atelier_contracts import Kind
from atelier_contracts.receipts import EndOutcome
from atelier_contracts.value_objects import DeliveryMethod, OwnerKind
from atelier_gateway.surfaces.native.openapi import Charge, GenerationCredits, GenerationDelivery, LedgerPosting, Status
from atelier_gateway.web.openapi_responses import ProviderModel

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
KEY_ID = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
PUBLIC_KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"


class ReceiptOwner(BaseModel):
    """Whose credits paid."""

    kind: OwnerKind
    id: UUID


class ReceiptOutput(BaseModel):
    """One delivered output: SHA-256 in hex over its bytes. How and when it was delivered is there where it was charged
    on delivery."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"sha256": SHA256, "media_type": "image/png", "bytes": 48_213}]}
    )

    sha256: str
    media_type: str
    bytes: int
    delivered_by: DeliveryMethod | None = None
    delivered_at: datetime | None = None


class ReceiptPriceBook(BaseModel):
    """The price book of the charge; ``sha256`` is null for a book that is no longer in force."""

    version: str
    sha256: str | None


class ReceiptCredits(BaseModel):
    """Whole credits, added up from the postings."""

    reserved: int
    captured: int
    refunded: int
    returned: int
    """What a correction gave back of the charge."""


class ReceiptPosting(BaseModel):
    """A posting of the charge."""

    id: UUID
    kind: Literal["reserve", "capture", "refund", "return"]
    grant_id: UUID
    debit: str
    credit: str
    credits: int
    posted_at: datetime


class ReceiptStatement(BaseModel):
    """What is signed: the canonical JSON (RFC 8785) of this object. What is not known is null."""

    type: Literal["atelier.receipt.v1"]
    id: UUID
    number: int
    """Counts the receipts of one generation: the highest holds."""
    generation_id: UUID
    test: bool = False
    """There, and true, where it was made with a test key."""
    owner: ReceiptOwner
    kind: Kind | None
    surface: str | None
    request_sha256: str | None
    """Of the canonical JSON of ``request`` beside the receipt, which is salted."""
    requested_at: datetime | None
    outcome: EndOutcome
    code: str | None
    outputs: list[ReceiptOutput]
    provider: str | None
    model: str | None
    reused: bool
    price_book: ReceiptPriceBook | None
    credits: ReceiptCredits
    postings: list[ReceiptPosting]
    ended_at: datetime
    log: str
    """Name of the log that the receipt and its postings stand in."""
    key_id: str


class ReceiptSignature(BaseModel):
    """An Ed25519 signature, base64url without padding; the key is in ``/.well-known/jwks.json``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"alg": "EdDSA", "key_id": KEY_ID, "value": f"{PUBLIC_KEY}{PUBLIC_KEY}"}]}
    )

    alg: Literal["EdDSA"]
    key_id: str
    value: str


class SignedReceipt(BaseModel):
    """A receipt that anyone can verify without us: ``docs/verify/verify_receipt.py`` does."""

    receipt: ReceiptStatement
    signature: ReceiptSignature


class ReceiptInput(BaseModel):
    """A stored input, by the digest of the bytes that were checked, priced and made of."""

    category: str
    checksum: str


class Receipt(BaseModel):
    """The itemised charge of a generation; ``reused``: an equal earlier result was delivered, at the book's price for
    that."""

    generation_id: UUID
    test: bool
    """Whether it was made with a test key, and cost test credits."""
    kind: Kind
    status: Status
    model: str | None
    """As it was named."""
    successor: str | None
    """The model that makes it instead, where the one that was named is withdrawn."""
    made_by: ProviderModel | None
    metadata: dict[str, str]
    charge: Charge
    delivery: GenerationDelivery | None
    """Null where it is charged on completion."""
    price_book: str | None
    units: int
    inputs: list[ReceiptInput]
    reused: bool
    credits: GenerationCredits
    entries: list[LedgerPosting]
    request: dict[str, Any] | None
    """What was asked, with its salt: the receipt has the hash of it."""
    signed: SignedReceipt | None
    """Null until the generation has ended."""


class PublishedKey(BaseModel):
    """An Ed25519 public key (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    use: Literal["sig"]
    alg: Literal["EdDSA"]


class PublishedKeys(BaseModel):
    """The keys that sign receipts (RFC 7517), the current one first, then those before it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "keys": [
                        {
                            "kty": "OKP",
                            "crv": "Ed25519",
                            "x": PUBLIC_KEY,
                            "kid": KEY_ID,
                            "use": "sig",
                            "alg": "EdDSA",
                        }
                    ]
                }
            ]
        }
    )

    keys: list[PublishedKey]


class InclusionProof(BaseModel):
    """That an entry is leaf ``leaf_index`` of the tree of ``tree_size`` that ``checkpoint`` signs (RFC 9162, 2.1.3);
    hashes in base64, from the leaf upwards."""

    leaf_index: int
    tree_size: int
    hashes: list[str]
    checkpoint: str


class ConsistencyProof(BaseModel):
    """That the tree of ``tree_size`` entries continues the one of ``old_size`` (RFC 9162, 2.1.4); hashes in base64."""

    old_size: int
    tree_size: int
    hashes: list[str]
