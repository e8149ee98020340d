"""Messages about one generation, for the tests of the handlers."""

from uuid import UUID, uuid4

from atelier_contracts import (
    CreditDeducted,
    GenerationRequested,
    Owner,
    RenderCompleted,
    RenderSpec,
    Work,
)

OWNER = Owner(kind="store", id=uuid4())


def build_request(generation: UUID, *, deadline_s: int = 900) -> GenerationRequested:
    return GenerationRequested(
        generation_id=generation,
        channel="b2b",
        owner=OWNER,
        work=Work(kind="try_on"),
        spec=RenderSpec(kind="try_on"),
        deadline_s=deadline_s,
    )


def build_deduction(generation: UUID) -> CreditDeducted:
    return CreditDeducted(generation_id=generation, owner=OWNER, credits=1, price_book="v1")


def build_completion(generation: UUID) -> RenderCompleted:
    return RenderCompleted(generation_id=generation, outputs=(), delivered=1, requested=1, provider="local")
