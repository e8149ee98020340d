"""Every metric of Atelier, declared once; dashboards and alerts name nothing else.

Durations in seconds, amounts in credits. Labels are bounded sets, never ids.
"""

from functools import lru_cache
from typing import TypeVar

from prometheus_client import Counter, Gauge, Histogram

CHILDREN_MAX = 4_096
Metric = TypeVar("Metric", Counter, Gauge, Histogram)


@lru_cache(maxsize=CHILDREN_MAX)
def child(metric: Metric, *labels: str) -> Metric:
    """``metric.labels(*labels)``, looked up once: for what counts several times a generation."""
    return metric.labels(*labels)


_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900)

# Parts
PART_READY = Gauge("atelier_part_ready", "1 while the service can use what it needs, else 0", ["part"])
"""part: broker, database, storage."""

# Delivery
CONSUMED = Counter("atelier_messages_consumed_total", "Messages handled, by outcome", ["queue", "outcome"])
"""outcome: applied, duplicate, retried, dead."""
BATCH_SECONDS = Histogram(
    "atelier_batch_seconds", "One consumed batch: claim, handle, commit", ["queue"], buckets=_FAST
)
BATCH_MESSAGES = Histogram(
    "atelier_batch_messages", "Messages in one batch", ["queue"], buckets=(1, 2, 5, 10, 20, 50, 100, 200)
)
PUBLISHED = Counter("atelier_messages_published_total", "Outbox messages published, by outcome", ["outcome"])
"""outcome: confirmed, unroutable, unknown."""
OUTBOX_PENDING = Gauge("atelier_outbox_pending", "Outbox rows seen by the sweeper that no broker has confirmed yet")
OUTBOX_UNREADABLE = Counter("atelier_outbox_unreadable_total", "Attempts to send an outbox row that cannot be read")
OUTBOX_SWEPT = Counter("atelier_outbox_swept_total", "Messages the sweeper sent again after a crash or an outage")
DEAD_LETTERS = Counter("atelier_dead_letters_total", "Messages laid into a dead-letter queue", ["queue"])

# Sagas
TRANSITIONS = Counter("atelier_saga_transitions_total", "Saga steps taken", ["state"])
LOST_RACES = Counter(
    "atelier_saga_lost_races_total", "Messages that came too late and had no effect", ["state", "message"]
)
GENERATIONS_ENDED = Counter("atelier_generations_ended_total", "Generations that reached their end", ["state", "mode"])
"""mode: live, test (made with a test key)."""
GENERATION_SECONDS = Histogram("atelier_generation_seconds", "From admission to the end", ["state"], buckets=_SLOW)
SAGA_TIMERS = Counter("atelier_saga_timers_total", "Deadlines and resends that fired", ["state"])
OLDEST_OPEN = Gauge(
    "atelier_oldest_open_seconds",
    "Age of the oldest generation that has not ended, as each record shows it",
    ["record"],
)
"""record: saga (the session's), projection (what clients see)."""
SAGAS_UNANSWERED = Gauge(
    "atelier_sagas_unanswered", "Open generations whose settlement was sent again twice without an answer", ["state"]
)
"""state: capturing, refunding."""
HOLD_OVERDUE = Gauge(
    "atelier_hold_overdue_seconds",
    "How long the most overdue hold has outlived its generation's deadline; 0 without one",
)
PROJECTION_HEALED = Counter(
    "atelier_projection_healed_total", "Generations whose projection was repaired from the session", ["outcome"]
)
"""outcome: recovered (an event was lost), withdrawn (the request itself was)."""

RECONCILE_FINDINGS = Gauge(
    "atelier_reconcile_findings", "Open disagreements between the records of the services", ["kind"]
)
"""kind: those of ``atelier_session.reconcile.rules.DriftKind``."""

# Money
CREDITS_MOVED = Counter("atelier_credits_moved_total", "Credits posted, by kind of posting", ["kind"])
"""kind: grant, reserve, capture, refund, expire, return, take_back."""
DISPUTES = Counter("atelier_disputes_total", "Disputes decided, by decision and rule", ["decision", "rule"])
DISPUTES_WAITING = Gauge("atelier_disputes_waiting", "Disputes that wait for the decision of an operator")
DECLINED = Counter("atelier_credit_declined_total", "Reservations declined", ["reason"])
LOG_CHECKPOINT_UNWRITTEN = Gauge(
    "atelier_log_checkpoint_unwritten", "1 while a store outside lacks the last checkpoint", ["store"]
)
LOG_VERIFICATION_FAILED = Gauge("atelier_log_verification_failed", "1 if the last verification of the log failed")
LOG_VERIFIED_AT = Gauge("atelier_log_verified_timestamp_seconds", "When the last verification of the log passed")
LOG_VERIFICATION_PROGRESS = Gauge(
    "atelier_log_verification_entries", "Entries that the running, or the last, verification of the log has checked"
)
LOG_CONTRADICTED = Gauge(
    "atelier_log_contradicted", "1 while the log does not continue the checkpoint that is kept outside the database"
)

# Renders
RENDERS = Counter("atelier_renders_total", "Render attempts ended, by provider and outcome", ["provider", "outcome"])
RENDER_SECONDS = Histogram("atelier_render_seconds", "One render attempt", ["provider"], buckets=_SLOW)
RENDER_QUEUE = Gauge("atelier_render_jobs", "Render jobs by state", ["state"])
OLDEST_WAITING = Gauge(
    "atelier_render_oldest_waiting_seconds", "Age of the render job that has waited longest; 0 where none waits"
)
LEASES_LOST = Counter("atelier_render_leases_lost_total", "Leases taken over after their worker stopped beating")
ETA_RATIO = Histogram(
    "atelier_eta_ratio",
    "Seconds that finished renders took, as a multiple of the estimated seconds (p50)",
    ["estimate"],
    buckets=(0.1, 0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10),
)
"""estimate: queued (the first estimate, of waiting and rendering), started (of the render alone)."""
ETA_KEPT = Counter(
    "atelier_eta_p90_total",
    "Finished renders by whether they took no longer than the estimated p90",
    ["estimate", "within"],
)
"""within: yes, no. Nine of ten should be yes."""
CONTENT_CHECKS = Counter(
    "atelier_content_checks_total", "Requests judged before a provider was asked", ["moderator", "verdict"]
)
"""verdict: allowed, forbidden, away (it did not answer)."""
DISCARDED = Counter("atelier_render_discarded_total", "Outputs that were refunded and thrown away")
OBJECTS_REMOVED = Counter("atelier_render_objects_removed_total", "Objects removed from the store", ["reason"])
"""reason: requested, retention, late, undelivered, lost (by an attempt that did not win), orphan (by the sweep)."""
UNMARKED = Counter("atelier_render_unmarked_total", "Outputs delivered without a provenance mark", ["mark"])
"""mark: tag (XMP, ID3, INFO), manifest (C2PA)."""

# Delivery
DELIVERIES = Counter(
    "atelier_deliveries_total", "Outputs delivered of generations that are charged on delivery", ["how"]
)
"""how: fetched, acknowledged, webhook, bucket."""
DELIVERIES_LOST = Counter(
    "atelier_deliveries_lost_total", "Outputs sent whole whose delivery could not be written down: they are not charged"
)

# Providers
PROVIDER_OUTCOMES = Counter(
    "atelier_provider_outcomes_total", "What calls of providers came to", ["provider", "outcome"]
)
"""outcome: succeeded, partial, refused, failed, transient, rate_limited, unknown; lost: the answer, before recalls."""
PROVIDER_COST = Counter(
    "atelier_provider_cost_micros_total",
    "What submissions cost by the declared prices, in millionths of the currency",
    ["provider", "model", "currency", "outcome"],
)
"""outcome: the submission's; what is neither succeeded nor partial was paid in vain."""
PROVIDER_EXPOSURE = Gauge(
    "atelier_provider_exposure_micros",
    "The most that submissions may cost whose outcome is not known, in millionths of the currency",
    ["provider", "currency"],
)
PROVIDER_UNKNOWN = Gauge("atelier_provider_exposed_submissions", "Submissions whose cost is not known", ["provider"])
FAILOVERS = Counter("atelier_provider_failovers_total", "Jobs handed to the next provider", ["provider", "successor"])
PROVIDER_BREAKER = Gauge(
    "atelier_provider_breaker_state", "The circuit breaker: 0 closed, 1 half-open, 2 open", ["provider"]
)
MODEL_DAYS_LEFT = Gauge(
    "atelier_model_days_left", "Days until a model that is offered is withdrawn by its provider", ["model"]
)
"""0 and less: it is gone, and its successor makes what it is named for."""
RECONCILING = Gauge("atelier_provider_reconciling", "Submissions whose outcome is being found out", ["provider"])

# Gateway
ADMISSION_SECONDS = Histogram(
    "atelier_admission_seconds", "From POST to the admission reply", ["surface"], buckets=_FAST
)
REQUESTS = Counter("atelier_requests_total", "HTTP requests", ["surface", "status"])
REQUESTS_OPEN = Gauge("atelier_requests_open", "HTTP requests that are being answered, waits and streams among them")
CANCELS_LOST = Counter(
    "atelier_cancels_lost_total", "Generations that run on because the cancel of a client that left was not written"
)
WEBHOOKS = Counter("atelier_webhook_attempts_total", "Webhooks tried, by outcome", ["outcome"])
"""outcome: delivered, retried, failed (no try is left), gone (410)."""
WEBHOOK_SECONDS = Histogram("atelier_webhook_seconds", "From an event to the webhook that was taken", buckets=_SLOW)

# Public events
SUBSCRIPTION_WAITING = Gauge(
    "atelier_subscription_waiting", "Public events that a subscriber has not handled, in its queue or the log", ["name"]
)
SUBSCRIPTION_CONSUMERS = Gauge("atelier_subscription_consumers", "Consumers on the queue of a subscription", ["name"])
