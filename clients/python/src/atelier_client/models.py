"""What is sent and received.

Generated from clients/openapi.json, SHA-256 cdca2da832c86de5.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict


class CapSpender(TypedDict):
    """
    Whose spending a cap bounds: the account (``store``, ``user``, ``workspace``), an API ``key`` of it, or a
    ``user`` who acts for it.
    """

    kind: str
    id: str


class ClientTokenCredits(TypedDict):
    """``used`` is held or charged; what is refunded is ``left`` again."""

    cap: int
    used: int
    left: int


class CreatedClientToken(TypedDict):
    """A new client token; ``token`` is shown this once."""

    id: str
    prefix: str
    test: bool
    is_live: bool
    scopes: list[Literal["create", "read"]]
    end_user: str | None
    origins: list[str]
    kinds: list[Literal["try_on", "product_shot", "image", "on_model", "flat_lay", "narration"]] | None
    credits: ClientTokenCredits
    created_at: str
    expires_at: str
    token: str


class CreditBalance(TypedDict):
    """The account; ``granted`` is all that was ever given."""

    test: NotRequired[bool]
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

    test: bool
    data: list[CreditEntry]
    next_cursor: str | None


class DeliveredOutput(TypedDict):
    """
    One output that reached its client: ``fetched`` through the gateway, ``acknowledged`` by API, or ``webhook``: the
    request's webhook was answered with 2xx; or put into the client's ``bucket``.
    """

    output: int
    how: Literal["fetched", "acknowledged", "webhook", "bucket"]
    at: str


class DisputeCheck(TypedDict):
    """One question put to an output, and what was found."""

    name: Literal[
        "stored", "unaltered", "opens", "format_as_asked", "size_as_asked", "not_blank", "not_an_input", "long_enough"
    ]
    result: Literal["right", "wrong", "unknown"]
    details: str


class DisputeEvidence(TypedDict):
    """The checks of one output, by its place from 0."""

    output: int
    checks: list[DisputeCheck]


class GenerationBatchCredits(TypedDict):
    """
    ``quoted`` is the price of all rows. Of that ``captured`` is charged, ``held`` is set aside for the rows under
    way, and ``remaining`` is neither: once the batch has ended it never will be.
    """

    quoted: int
    captured: int
    held: int
    remaining: int


class GenerationBatchError(TypedDict):
    """Why a batch failed, by line of its input where it is about one."""

    line: int | None
    code: str
    message: str
    param: str | None


class GenerationBatchQuote(TypedDict):
    """What the whole would cost: one price, of which each row is charged its own once it is delivered."""

    test: bool
    rows: int
    credits: int
    prices: list[dict[str, Any]]


class GenerationBatchRowCounts(TypedDict):
    """Rows by how far they are; they add up to ``total``."""

    total: int
    waiting: int
    under_way: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int


class GenerationBatchRowCredits(TypedDict):
    """What the row was quoted, and what was charged."""

    quoted: int
    captured: int


class GenerationBatchRowProblem(TypedDict):
    """Why a row brought nothing."""

    code: str
    detail: str


class GenerationCredits(TypedDict):
    """Where the credits of a generation are; whole credits. ``returned``: of those captured, given back since."""

    reserved: int
    captured: int
    refunded: int
    returned: int


class GenerationDelivery(TypedDict):
    """
    Of a generation that is charged on delivery: until when its outputs are to be taken, null before they exist, and
    which were taken. Each is charged as it is taken; the rest is withdrawn and refunded.
    """

    deliver_to: list[str] | None
    window_s: int
    deliver_by: str | None
    delivered: list[DeliveredOutput]


class GenerationOutput(TypedDict):
    """
    One artefact; ``url`` and ``thumbnail`` (a WebP, its long side 256 pixels) are signed for 15 minutes. While it is
    ``delivering``, ``url`` is a route of the gateway, which needs the credential, and there is no thumbnail.
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
    """
    What a create with this body reserves. ``quote`` is that price, signed as a JSON Web Signature (RFC 7515): a
    create that names it costs no more until ``expires_at``. Both are null while billing does not answer.
    """

    test: bool
    quote: str | None
    credits: int
    price_book: str
    expires_at: str | None


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
    """
    One delivered output: SHA-256 in hex over its bytes. How and when it was delivered is there where it was charged
    on delivery.
    """

    sha256: str
    media_type: str
    bytes: int
    delivered_by: NotRequired[Literal["fetched", "acknowledged", "webhook", "bucket"] | None]
    delivered_at: NotRequired[str | None]


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
    test: NotRequired[bool]
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


class SpendingCap(TypedDict):
    """
    The most credits that a spender may have held and captured in a period of UTC, and how many count now.
    ``remaining`` may still be spent; ``renews_at`` is null for a total.
    """

    id: str
    owner: CapSpender
    spender: CapSpender
    period: Literal["day", "month", "total"]
    credits: int
    held: int
    captured: int
    remaining: int
    since: str | None
    renews_at: str | None


class TimelineStep(TypedDict):
    """One thing that happened."""

    at: str
    what: str


class Upload(TypedDict):
    """An upload. ``expires_at`` is null once something is made of it."""

    id: str
    test: bool
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


class UsageRow(TypedDict):
    """One group; null where rows are not grouped by it, or where it is not known."""

    generations: int
    reserved: int
    captured: int
    refunded: int
    returned: int
    charged: int
    day: str | None
    key: str | None
    key_prefix: str | None
    kind: Literal["try_on", "product_shot", "image", "on_model", "flat_lay", "narration"] | None
    model: str | None


class UsageTotals(TypedDict):
    """Whole credits, by the postings of the period. ``charged`` is ``captured`` less ``returned``."""

    generations: int
    reserved: int
    captured: int
    refunded: int
    returned: int
    charged: int


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
    test: bool
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
    test: bool
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


Provider1: TypeAlias = str


ExcludeProvider: TypeAlias = str


DeliverToItem: TypeAlias = str


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
    format: NotRequired[Literal["png", "jpeg", "webp", "avif"]]
    n: NotRequired[int]
    """How many; charged as delivered."""
    seed: NotRequired[int]
    """The same seed, words and pictures give the same result where a provider can keep that promise."""
    provider: NotRequired[str | None]
    """A preference: this provider makes it if it can."""
    providers: NotRequired[list[Provider1] | None]
    """The same for several, in the order in which they are called; others stand in after them."""
    exclude_providers: NotRequired[list[ExcludeProvider] | None]
    """Binding: none of these is called."""
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
    audio_format: NotRequired[Literal["mp3", "wav", "opus", "aac", "flac"]]
    reuse: NotRequired[bool]
    """Whether an equal earlier result of the same owner may be delivered, at the price of one."""
    priority: NotRequired[Literal["high", "normal", "low"]]
    """Which of its owner's waiting generations goes first; it takes no turn from another owner."""
    quote: NotRequired[str | None]
    """Of `POST /v1/quotes` with this body: it costs no more than that."""
    deadline_s: NotRequired[int | None]
    start_within_s: NotRequired[int | None]
    """Seconds in which its render is to start, less than ``deadline_s``: not started by then, it is refunded."""
    retry: NotRequired[Literal["never"] | None]
    """``never``: one submission to one provider, whose outcome is final."""
    store: NotRequired[Literal["none"] | int | None]
    """
    Hours from its completion by which the outputs are deleted; ``none``, where it is charged on delivery: as soon as
    they are delivered and charged. Without it as long as this installation keeps them.
    """
    max_credits: NotRequired[int | None]
    """The most that it may cost, in credits: a higher price is refused with ``spend_limit_exceeded``."""
    charge: NotRequired[Literal["on_completion", "on_delivery"]]
    """When the outputs are charged: once they exist, or each as it is delivered."""
    delivery_window_s: NotRequired[int | None]
    """Charged on delivery: seconds in which the outputs are to be taken; not more than this installation allows."""
    deliver_to: NotRequired[list[DeliverToItem] | None]
    """
    Charged on delivery: one URL for each output, signed for a PUT of its bytes into your own bucket. What the bucket
    answers with 2xx is delivered; what it does not take is refunded.
    """
    webhook_url: NotRequired[str | None]
    """
    Receives the end of the generation, signed with the secret of ``GET /v1/webhooks/secret``; charged on delivery,
    also that its outputs can be taken, and answering that with 2xx takes them.
    """
    metadata: NotRequired[dict[str, str]]


Output: TypeAlias = int


class DeliveryAcknowledgement(TypedDict):
    """``POST /v1/generations/{id}/delivery``."""

    outputs: NotRequired[list[Output] | None]
    """Which outputs arrived, from 0; all of them where it is left out."""


Origin: TypeAlias = str


class NewClientToken(TypedDict):
    """``POST /v1/client-tokens``: what the token may do, and for how long."""

    credits: int
    """The most that what it makes may hold and cost in all."""
    scopes: NotRequired[list[Literal["create", "read"]]]
    """`create` generations, uploads and quotes; `read` what was made for the same end user."""
    end_user: NotRequired[str | None]
    """Your own name of the person it is for. Without one it reads what it made itself."""
    origins: NotRequired[list[Origin]]
    """The pages that may use it. Without any: no page but our own, and programs."""
    kinds: NotRequired[list[Literal["try_on", "product_shot", "image", "on_model", "flat_lay", "narration"]] | None]
    """What it may make; anything where it is absent."""
    minutes: NotRequired[int]
    """How long it is good; an installation may allow less."""


class SizedUploadRequest(TypedDict):
    """``POST /v1/uploads``: the URL takes exactly ``size_bytes``."""

    filename: str
    content_type: Literal[
        "image/png", "image/jpeg", "image/webp", "image/heic", "image/heif", "image/avif", "image/gif", "text/plain"
    ]
    size_bytes: int


class GenerationBatchRow(TypedDict):
    """One row of a batch: a create, under a name of the client's."""

    custom_id: NotRequired[str | None]
    """Unique in the batch; without one the number of the row, from 1."""
    request: GenerationRequest
    simulate: NotRequired[str | None]
    """As the header `X-Atelier-Simulate`, for this row alone."""


class GenerationBatchRequest(TypedDict):
    """``POST /v1/generation-batches`` and ``POST /v1/generation-batches/quotes``."""

    rows: list[GenerationBatchRow]
    """More come as JSON lines."""
    max_credits: NotRequired[int | None]
    """The most that the whole may cost: a higher price is refused with `spend_limit_exceeded`."""
    completion_window_s: NotRequired[int]
    """Rows that have not begun by then expire."""
    metadata: NotRequired[dict[str, str]]


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
                "dispute.decided",
                "cap.reached",
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
                "dispute.decided",
                "cap.reached",
            ]
        ]
        | None
    ]
    description: NotRequired[str | None]
    disabled: NotRequired[bool | None]


class CapPage(TypedDict):
    """Caps, in the order of their ids."""

    data: list[SpendingCap]
    next_cursor: str | None


class CapReachedData(TypedDict):
    """``percent`` of the cap is used: 50, 80 or 100; at 100 also when it refused a generation that no longer fitted."""

    percent: Literal[50, 80, 100]
    cap: SpendingCap


class ClientToken(TypedDict):
    """A client token, without the token itself. ``prefix`` is how it begins."""

    id: str
    prefix: str
    test: bool
    is_live: bool
    scopes: list[Literal["create", "read"]]
    end_user: str | None
    origins: list[str]
    kinds: list[Literal["try_on", "product_shot", "image", "on_model", "flat_lay", "narration"]] | None
    credits: ClientTokenCredits
    created_at: str
    expires_at: str


class ClientTokenPage(TypedDict):
    """Client tokens, newest first."""

    data: list[ClientToken]
    next_cursor: str | None


class Dispute(TypedDict):
    """
    A dispute. ``review``: an operator decides; ``refunding``: the return is decided and being posted. ``credits``
    are those returned; ``note`` is an operator's reason.
    """

    id: str
    test: bool
    generation_id: str
    status: Literal["refunding", "refunded", "declined", "review"]
    reason: Literal[
        "does_not_open", "blank", "wrong_size", "wrong_format", "same_as_input", "incomplete", "poor_quality", "other"
    ]
    text: str
    outputs: list[int]
    credits: int
    rule: Literal[
        "broken_output",
        "nothing_wrong",
        "not_examined",
        "monthly_limit",
        "left_to_operator",
        "operator",
        "returned_before",
    ]
    explanation: str
    evidence: list[DisputeEvidence]
    note: str | None
    created_at: str
    decided_at: str | None


class DisputeEvent(TypedDict):
    """What is POSTed when a dispute is decided and what follows is done: the dispute."""

    type: Literal["dispute.decided"]
    timestamp: str
    test: NotRequired[bool]
    data: Dispute


class Generation(TypedDict):
    """
    A generation: its request, its state, its cost. ``provider`` made it, or is the requested one before that,
    null where none was named; ``reused`` whether an equal earlier result was delivered.
    """

    id: str
    test: bool
    kind: Literal["try_on", "product_shot", "image", "on_model", "flat_lay", "narration"]
    status: Literal["queued", "rendering", "delivering", "succeeded", "failed", "cancelled", "expired", "rejected"]
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
    format: Literal["png", "jpeg", "webp", "avif"] | None
    n: int | None
    seed: int | None
    language: str | None
    audio_format: Literal["mp3", "wav", "opus", "aac", "flac"] | None
    reuse: bool
    priority: Literal["high", "normal", "low"]
    end_user: str | None
    deadline_s: int | None
    providers: list[str] | None
    exclude_providers: list[str] | None
    start_within_s: int | None
    retry: Literal["never"] | None
    store: Literal["none"] | int | None
    webhook_url: str | None
    metadata: dict[str, str]
    charge: Literal["on_completion", "on_delivery"]
    delivery: GenerationDelivery | None
    reused: bool
    credits: GenerationCredits
    outputs: list[GenerationOutput]
    error: dict[str, Any] | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    links: dict[str, str]


class GenerationBatch(TypedDict):
    """A batch as it is now."""

    id: str
    test: bool
    status: Literal[
        "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
    ]
    endpoint: str
    rows: GenerationBatchRowCounts
    credits: GenerationBatchCredits
    completion_window_s: int
    metadata: dict[str, str]
    errors: list[GenerationBatchError]
    created_at: str
    expires_at: str
    started_at: str | None
    ended_at: str | None
    links: dict[str, str]


class GenerationBatchPage(TypedDict):
    """Batches, newest first."""

    data: list[GenerationBatch]
    next_cursor: str | None


class GenerationBatchRowResult(TypedDict):
    """One row, with its outputs once there are some."""

    row: int
    custom_id: str
    status: Literal["waiting", "under_way", "succeeded", "failed", "cancelled", "expired"]
    generation_id: str | None
    credits: GenerationBatchRowCredits
    outputs: list[GenerationOutput]
    error: GenerationBatchRowProblem | None
    ended_at: str | None


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
    test: NotRequired[bool]
    data: Generation


class GenerationPage(TypedDict):
    """Generations, newest first."""

    data: list[Generation]
    next_cursor: str | None


class GenerationTimeline(TypedDict):
    """The steps of a generation, in order."""

    id: str
    status: Literal["queued", "rendering", "delivering", "succeeded", "failed", "cancelled", "expired", "rejected"]
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
    test: bool
    kind: Literal["try_on", "product_shot", "image", "on_model", "flat_lay", "narration"]
    status: Literal["queued", "rendering", "delivering", "succeeded", "failed", "cancelled", "expired", "rejected"]
    model: str | None
    successor: str | None
    made_by: ProviderModel | None
    metadata: dict[str, str]
    charge: Literal["on_completion", "on_delivery"]
    delivery: GenerationDelivery | None
    price_book: str | None
    units: int
    inputs: list[ReceiptInput]
    reused: bool
    credits: GenerationCredits
    entries: list[LedgerPosting]
    request: dict[str, Any] | None
    signed: SignedReceipt | None


UsagePage = TypedDict(
    "UsagePage",
    {
        "test": bool,
        "from": str,
        "to": str,
        "by": list[Literal["day", "key", "kind", "model"]],
        "totals": UsageTotals,
        "data": list[UsageRow],
        "next_cursor": str | None,
    },
)


class Webhook(TypedDict):
    """An endpoint; no events named means all. ``failing_since`` is the first failure after the last success."""

    id: str
    test: bool
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


class CapEvent(TypedDict):
    """What is POSTed when a cap is reached, once in its period for each percentage."""

    type: Literal["cap.reached"]
    timestamp: str
    data: CapReachedData


class Capabilities(TypedDict):
    """``providers`` in order of preference. For those ``missing`` an account is needed; ``stand_in`` works for them."""

    providers: list[Provider]
    missing: list[str]
    stand_in: str | None
    pictures: PictureLimits


class GenerationBatchRowPage(TypedDict):
    """Rows in order; `next_cursor` is the number of the last one."""

    data: list[GenerationBatchRowResult]
    next_cursor: str | None
