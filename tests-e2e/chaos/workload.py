"""The requests of clients: the n-th of a run is made of the seed and n alone, so a seed replays its load."""

import random
from dataclasses import dataclass, field
from typing import Any, Literal

from chaos.deliveries import Delivery, delivery_of

Manner = Literal["plain", "keyed", "twins", "hang_up"]
"""plain: one POST, without a key. keyed: again with the same key until there is an answer. twins: several equal ones at
once with one key, then as keyed. hang_up: the client disconnects in the middle, and reads the result later."""

OUTCOMES = {
    "succeed": 40,
    "instant": 20,
    "partial": 10,
    "fail": 10,
    "lost_response": 6,
    "corrupt": 4,
    "timeout": 4,
    "late": 6,
}
"""How often each end is ordered from the simulator, in parts of 100; late: the deadline comes before the picture."""
MANNERS: dict[Manner, int] = {"plain": 35, "keyed": 30, "twins": 15, "hang_up": 20}
SIZES = {"256x256": 3, "512x512": 5}
"""Credits for one picture, as the price book has it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as it came: ``status`` and body."""

    status: int
    body: bytes


@dataclass(slots=True)
class ClientRequest:
    """One request of a client, and the answers to it."""

    number: int
    client: int
    surface: Literal["native", "b2b"]
    manner: Manner
    outcome: str
    n: int
    delivered: int
    """How many pictures the simulator has orders to make."""
    unit_credits: int
    marker: str
    """The prompt: it names this request in every service's tables."""
    body: dict[str, Any]
    headers: dict[str, str]
    cancel_after_s: float | None
    look_after_s: float | None
    twins: int = 1
    delivery: Delivery | None = None
    """Where it is charged on delivery."""
    replies: list[Reply] = field(default_factory=list)
    unanswered: int = 0
    """POSTs that were sent and never answered."""
    cancel_sent: bool = False

    @property
    def key(self) -> str | None:
        """Its Idempotency-Key."""
        return self.headers.get("Idempotency-Key")

    @property
    def acceptances(self) -> list[Reply]:
        """The replies that promise something."""
        return [reply for reply in self.replies if 200 <= reply.status < 300]

    @property
    def is_settled(self) -> bool:
        """Whether its client knows the outcome."""
        return any(200 <= reply.status < 300 or reply.status == 402 for reply in self.replies)


SLOW = ("timeout", "late")
"""Ends that take seconds."""


def request_of(seed: int, number: int, *, clients: int, slow: bool = True) -> ClientRequest:
    """The n-th request of this seed; without ``slow``, what would take seconds fails at once."""
    rng = random.Random(f"{seed}/ask/{number}")
    manner = rng.choices(list(MANNERS), list(MANNERS.values()))[0]
    outcome = rng.choices(list(OUTCOMES), list(OUTCOMES.values()))[0]
    outcome = outcome if slow or outcome not in SLOW else "fail"
    client = rng.randrange(clients)
    b2b = client % 2 == 0 and outcome != "partial" and outcome != "late" and rng.random() < 0.4
    n = 1 if b2b else rng.randint(2, 4) if outcome == "partial" else rng.choice((1, 1, 1, 2, 4))
    delivered = rng.randint(0, n - 1) if outcome == "partial" else n
    marker = f"chaos {seed}/{number}"
    size = rng.choice(list(SIZES))
    headers = {"X-Atelier-Simulate": _orders(rng, outcome, delivered)}
    if manner != "plain":
        headers["Idempotency-Key"] = f"chaos-{seed}-{number}"
    body: dict[str, Any] = {"kind": "image", "prompt": marker, "size": size, "n": n}
    if outcome == "late":
        body["deadline_s"] = 2
    delivery = None if b2b else delivery_of(seed, number)
    if delivery is not None:
        body |= {"charge": "on_delivery", "delivery_window_s": delivery.window_s}
    if b2b:
        body = {"image_urls": ["https://example.com/p.jpg", "https://example.com/g.jpg"], "prompt": marker}
    return ClientRequest(
        number=number,
        client=client,
        surface="b2b" if b2b else "native",
        manner=manner,
        outcome=outcome,
        n=n,
        delivered=0 if outcome in ("fail", "corrupt", "timeout") else delivered,
        unit_credits=1 if b2b else SIZES[size],
        marker=marker,
        body=body,
        headers=headers,
        cancel_after_s=rng.uniform(0, 0.6) if rng.random() < 0.12 else None,
        look_after_s=rng.uniform(0, 2.0) if rng.random() < 0.5 else None,
        twins=rng.randint(2, 6) if manner == "twins" else 1,
        delivery=delivery,
    )


def _orders(rng: random.Random, outcome: str, delivered: int) -> str:
    if outcome == "instant":
        return "outcome=succeed, picture=none"
    if outcome == "late":
        return "outcome=succeed, delay_ms=6000"
    word = f"partial:{delivered}" if outcome == "partial" else outcome
    return f"outcome={word}, delay_ms={rng.choice((0, 20, 100, 400, 1200))}"
