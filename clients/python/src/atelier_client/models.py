"""What is sent and received.

Generated from clients/openapi.json, SHA-256 0afddd49bd94e5b8.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class CreditBalance(TypedDict):
    """The account; ``granted`` is all that was ever given."""

    available: int
    held: int
    captured: int
    granted: int
    expired: int


class CreditEntry(TypedDict):
    """A posting of the owner's account."""

    at: str
    kind: Literal["grant", "reserve", "capture", "refund", "expire", "return", "take_back"]
    debit: str
    credit: str
    credits: int
    id: str
    generation_id: str | None


class CreditEntryPage(TypedDict):
    """Postings, newest first."""

    data: list[CreditEntry]
    next_cursor: str | None


class GenerationCredits(TypedDict):
    """Where the credits of a generation are; whole credits. ``returned``: of those captured, given back since."""

    reserved: int
    captured: int
    refunded: int
    returned: int


class GenerationOutput(TypedDict):
    """
    One delivered artefact; ``url`` and ``thumbnail`` (a WebP, its long side 256 pixels) are signed for 15 minutes.
    ``colours`` are its dominant ones, the most frequent first; audio has neither.
    """

    url: str
    key: str
    content_type: str
    width: int | None
    height: int | None
    checksum: str
    thumbnail: str | None
    colours: list[str]
    tags: list[str]


class InputReference(TypedDict):
    """An input, by key or URL; what came in the body lies under a key."""

    role: Literal["person", "garment", "product", "model", "image", "mask", "photo", "text"]
    key: str | None
    url: str | None


class LedgerPosting(TypedDict):
    """Credits that moved from account ``debit`` to account ``credit``."""

    at: str
    kind: Literal["grant", "reserve", "capture", "refund", "expire", "return", "take_back"]
    debit: str
    credit: str
    credits: int


class PictureLimits(TypedDict):
    """Limits of input images; the type is detected from the bytes."""

    content_types: list[str]
    bytes_max: int
    pixels_max: int


class ProviderModel(TypedDict):
    """Who made the outputs; ``model`` is null where the provider has no models by name."""

    provider: str
    model: str | None


class ProviderOffer(TypedDict):
    """The offers for a kind, or for a group of models; an empty list accepts any value."""

    kind: Literal["try_on", "product_shot", "image", "on_model", "flat_lay", "narration"]
    modes: list[str]
    models: list[str]
    sizes: list[str]
    styles: list[str]
    qualities: list[str]
    formats: list[str]
    n_max: int


class Quote(TypedDict):
    """What a create with this body would reserve."""

    credits: int
    price_book: str
    expires_at: str


class ReceiptCredits(TypedDict):
    """Whole credits, added up from the postings."""

    reserved: int
    captured: int
    refunded: int
    returned: int


class ReceiptInput(TypedDict):
    """A stored input, by the digest of the bytes that were checked, priced and made of."""

    category: str
    checksum: str


class ReceiptOutput(TypedDict):
    """One delivered output: SHA-256 in hex over its bytes."""

    sha256: str
    media_type: str
    bytes: int


class ReceiptOwner(TypedDict):
    """Whose credits paid."""

    kind: Literal["store", "user", "workspace"]
    id: str


class ReceiptPosting(TypedDict):
    """A posting of the charge."""

    id: str
    kind: Literal["reserve", "capture", "refund", "return"]
    grant_id: str
    debit: str
    credit: str
    credits: int
    posted_at: str


class ReceiptPriceBook(TypedDict):
    """The price book of the charge; ``sha256`` is null for a book that is no longer in force."""

    version: str
    sha256: str | None


class ReceiptSignature(TypedDict):
    """An Ed25519 signature, base64url without padding; the key is in ``/.well-known/jwks.json``."""

    alg: Literal["EdDSA"]
    key_id: str
    value: str


class ReceiptStatement(TypedDict):
    """What is signed: the canonical JSON (RFC 8785) of this object. What is not known is null."""

    type: Literal["atelier.receipt.v1"]
    id: str
    number: int
    generation_id: str
    owner: ReceiptOwner
    kind: Literal["try_on", "product_shot", "image", "on_model", "flat_lay", "narration"] | None
    surface: str | None
    request_sha256: str | None
    requested_at: str | None
    outcome: Literal["succeeded", "failed", "expired", "cancelled", "rejected"]
    code: str | None
    outputs: list[ReceiptOutput]
    provider: str | None
    model: str | None
    reused: bool
    price_book: ReceiptPriceBook | None
    credits: ReceiptCredits
    postings: list[ReceiptPosting]
    ended_at: str
    log: str
    key_id: str


class SignedReceipt(TypedDict):
    """A receipt that anyone can verify without us: ``docs/verify/verify_receipt.py`` does."""

    receipt: ReceiptStatement
    signature: ReceiptSignature


class TimelineStep(TypedDict):
    """One thing that happened."""

    at: str
    what: str


class Upload(TypedDict):
    """An upload. ``expires_at`` is null once something is made of it."""

    id: str
    key: str
    filename: str
    content_type: str
    size_bytes: int | None
    used: bool
    created_at: str
    expires_at: str | None


class UploadPage(TypedDict):
    """Uploads, newest first; ``next_cursor`` leads to older ones."""

    data: list[Upload]
    next_cursor: str | None


class UploadTarget(TypedDict):
    """Where to PUT the bytes, with which headers, and how to name them afterwards."""

    id: str
    key: str
    upload_url: str
    method: Literal["PUT"]
    headers: dict[str, str]
    url: str
    expires_at: str


class WebhookAttempt(TypedDict):
    """One try: a status with the beginning of the answer, or an error."""

    number: int
    at: str
    duration_ms: int
    status: int | None
    error: str | None
    response: str | None


class WebhookDelivery(TypedDict):
    """One event for one receiver. ``id`` is its webhook-id, ``webhook_id`` the endpoint, null for a single request."""

    id: str
    webhook_id: str | None
    url: str
    type: str
    generation_id: str | None
    state: Literal["pending", "delivered", "failed"]
    attempts: list[WebhookAttempt]
    next_try_at: str | None
    created_at: str


class WebhookDeliveryPage(TypedDict):
    """Deliveries, newest first."""

    data: list[WebhookDelivery]
    next_cursor: str | None


class WebhookDisablement(TypedDict):
    """Since when, and why: the owner wished it, it answered 410, or it took nothing for days."""

    at: str
    reason: Literal["owner", "gone", "failing"]


class WebhookSigningSecret(TypedDict):
    """What signs the deliveries to the ``webhook_url`` of single requests."""

    secret: str
    previous_secret_until: str | None


class WebhookWithSecret(TypedDict):
    """The only time the secret is shown."""

    id: str
    url: str
    events: list[str]
    description: str
    state: Literal["enabled", "disabled"]
    disabled: WebhookDisablement | None
    failing_since: str | None
    previous_secret_until: str | None
    created_at: str
    secret: str


class Problem(TypedDict):
    """RFC 9457; ``code`` is the last part of ``type``. Some problems have further members."""

    type: str
    title: str
    status: int
    detail: str
    code: str


class GenerationInput(TypedDict):
    """
    One input: a key of an own upload, a URL, or the thing itself as a ``data:`` URI. Role ``text`` is what a
    narration reads, every other role a picture.
    """

    role: Literal["person", "garment", "product", "model", "image", "mask", "photo", "text"]
    key: NotRequired[str | None]
    url: NotRequired[str | None]
    data: NotRequired[str | None]


class GenerationRequest(TypedDict):
    """``POST /v1/generations`` and ``POST /v1/quotes``."""

    kind: Literal["try_on", "product_shot", "image", "on_model", "flat_lay", "narration"]
    prompt: NotRequired[str | None]
    """What the image shows; required unless another is varied."""
    inputs: NotRequired[list[GenerationInput]]
    """Each with its ``role``, and ``key``, ``url`` or ``data``."""
    size: NotRequired[str | None]
    """As ``1024x1024``; what is offered: ``GET /v1/capabilities``."""
    style: NotRequired[str | None]
    quality: NotRequired[str | None]
    format: NotRequired[Literal["png", "jpeg", "webp"]]
    n: NotRequired[int]
    """How many; charged as delivered."""
    seed: NotRequired[int]
    """The same seed, words and pictures give the same result where a provider can keep that promise."""
    provider: NotRequired[str | None]
    """A preference: this provider makes it if it can."""
    model: NotRequired[str | None]
    """Binding: one of those that a provider here lists for the kind, `GET /v1/capabilities`."""
    text: NotRequired[str | None]
    """What a narration reads; longer than a prompt may be."""
    language: NotRequired[
        Literal[
            "bg",
            "ca",
            "cs",
            "da",
            "de",
            "el",
            "en",
            "en-US",
            "es",
            "et",
            "fi",
            "fr",
            "hr",
            "hu",
            "id",
            "it",
            "lt",
            "lv",
            "nb",
            "nl",
            "pl",
            "pt",
            "pt-BR",
            "ro",
            "ru",
            "sk",
            "sl",
            "sr",
            "sv",
            "tr",
            "uk",
        ]
        | None
    ]
    audio_format: NotRequired[Literal["mp3", "wav"]]
    reuse: NotRequired[bool]
    """Whether an equal earlier result of the same owner may be delivered, at the price of one."""
    priority: NotRequired[Literal["high", "normal", "low"]]
    """Which of its owner's waiting generations goes first; it takes no turn from another owner."""
    deadline_s: NotRequired[int | None]
    webhook_url: NotRequired[str | None]
    """Receives the end of the generation, signed with the secret of ``GET /v1/webhooks/secret``."""
    metadata: NotRequired[dict[str, str]]


class SizedUploadRequest(TypedDict):
    """``POST /v1/uploads``: the URL takes exactly ``size_bytes``."""

    filename: str
    content_type: Literal[
        "image/png", "image/jpeg", "image/webp", "image/heic", "image/heif", "image/avif", "image/gif", "text/plain"
    ]
    size_bytes: int


class NewWebhook(TypedDict):
    """A new endpoint. Without events: all of them."""

    url: str
    events: NotRequired[
        list[
            Literal[
                "generation.queued",
                "generation.rendering",
                "generation.succeeded",
                "generation.failed",
                "generation.cancelled",
                "generation.expired",
                "generation.rejected",
            ]
        ]
    ]
    description: NotRequired[str]


class WebhookChange(TypedDict):
    """The fields to change. ``disabled: false`` also enables an endpoint that the service has disabled."""

    url: NotRequired[str | None]
    events: NotRequired[
        list[
            Literal[
                "generation.queued",
                "generation.rendering",
                "generation.succeeded",
                "generation.failed",
                "generation.cancelled",
                "generation.expired",
                "generation.rejected",
            ]
        ]
        | None
    ]
    description: NotRequired[str | None]
    disabled: NotRequired[bool | None]


class Generation(TypedDict):
    """
    A generation: its request, its state, its cost. ``provider`` made it, or is the requested one before that,
    null where none was named; ``reused`` whether an equal earlier result was delivered.
    """

    id: str
    kind: Literal["try_on", "product_shot", "image", "on_model", "flat_lay", "narration"]
    status: Literal["queued", "rendering", "succeeded", "failed", "cancelled", "expired", "rejected"]
    progress: int
    queue_position: int | None
    eta_s: int | None
    eta_p90_s: int | None
    provider: str | None
    asked_provider: str | None
    model: str | None
    successor: str | None
    made_by: ProviderModel | None
    prompt: str | None
    inputs: list[InputReference]
    size: str | None
    style: str | None
    quality: str | None
    format: Literal["png", "jpeg", "webp"] | None
    n: int | None
    seed: int | None
    language: str | None
    audio_format: Literal["mp3", "wav"] | None
    reuse: bool
    priority: Literal["high", "normal", "low"]
    deadline_s: int | None
    webhook_url: str | None
    metadata: dict[str, str]
    reused: bool
    credits: GenerationCredits
    outputs: list[GenerationOutput]
    error: dict[str, Any] | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    links: dict[str, str]


class GenerationEvent(TypedDict):
    """What is POSTed: the generation as it was shown at that moment. See https://www.standardwebhooks.com."""

    type: Literal[
        "generation.queued",
        "generation.rendering",
        "generation.succeeded",
        "generation.failed",
        "generation.cancelled",
        "generation.expired",
        "generation.rejected",
    ]
    timestamp: str
    data: Generation


class GenerationPage(TypedDict):
    """Generations, newest first."""

    data: list[Generation]
    next_cursor: str | None


class GenerationTimeline(TypedDict):
    """The steps of a generation, in order."""

    id: str
    status: Literal["queued", "rendering", "succeeded", "failed", "cancelled", "expired", "rejected"]
    summary: str
    metadata: dict[str, str]
    steps: list[TimelineStep]
    is_complete: bool


class Provider(TypedDict):
    """A provider; ``remote`` where the work leaves this installation."""

    name: str
    remote: bool
    offers: list[ProviderOffer]


class Receipt(TypedDict):
    """
    The itemised charge of a generation; ``reused``: an equal earlier result was delivered, at the book's price for
    that.
    """

    generation_id: str
    kind: Literal["try_on", "product_shot", "image", "on_model", "flat_lay", "narration"]
    status: Literal["queued", "rendering", "succeeded", "failed", "cancelled", "expired", "rejected"]
    model: str | None
    successor: str | None
    made_by: ProviderModel | None
    metadata: dict[str, str]
    price_book: str | None
    units: int
    inputs: list[ReceiptInput]
    reused: bool
    credits: GenerationCredits
    entries: list[LedgerPosting]
    request: dict[str, Any] | None
    signed: SignedReceipt | None


class Webhook(TypedDict):
    """An endpoint; no events named means all. ``failing_since`` is the first failure after the last success."""

    id: str
    url: str
    events: list[str]
    description: str
    state: Literal["enabled", "disabled"]
    disabled: WebhookDisablement | None
    failing_since: str | None
    previous_secret_until: str | None
    created_at: str


class WebhookPage(TypedDict):
    """Endpoints, newest first."""

    data: list[Webhook]
    next_cursor: str | None


class Capabilities(TypedDict):
    """``providers`` in order of preference. For those ``missing`` an account is needed; ``stand_in`` works for them."""

    providers: list[Provider]
    missing: list[str]
    stand_in: str | None
    pictures: PictureLimits
