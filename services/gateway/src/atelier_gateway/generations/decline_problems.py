"""The problem behind a request that billing declined."""

from collections.abc import Mapping
from dataclasses import replace

from atelier_contracts.billing import QuoteRefusal
from atelier_gateway.generations.admission_request import Declined
from atelier_gateway.projection.caps import CapView
from atelier_gateway.web.problems import Problem

QUOTE_REFUSALS: Mapping[QuoteRefusal, str] = {
    "altered": "The quote is not one that this installation has signed.",
    "expired": "The quote has expired; create another one.",
    "other_owner": "The quote is for another account.",
    "other_request": "The quote is for another request: another kind, quality, size, number or length of text.",
}


def declined_problem(declined: Declined, *, is_client: bool = False) -> Problem:
    """Why nothing was held. ``is_client``: a client token asks, which learns nothing of the account behind it."""
    if is_client:
        declined = replace(declined, available=None, cap=None)
    if declined.reason == "unpriced":
        return Problem("unpriced", "The price book has no price for this.")
    if declined.reason == "quote_refused" and declined.quote is not None:
        return Problem("quote_refused", QUOTE_REFUSALS[declined.quote], details={"reason": declined.quote})
    required, available = declined.required, declined.available
    credits = "1 credit" if required == 1 else f"{required} credits"
    if declined.reason == "cap_exceeded":
        known = {"cap": declined.cap} if declined.cap else {}
        why = describe_cap(declined.cap) if declined.cap else "a cap of the account leaves too little room."
        return Problem("cap_exceeded", f"{credits} required; {why}", details={"required": required} | known)
    known_available = "" if available is None else f", {available} available"
    amounts = {"required": required} | ({} if available is None else {"available": available})
    return Problem("insufficient_credits", f"{credits} required{known_available}.", details=amounts)


def describe_cap(cap: CapView) -> str:
    """Which cap, how much of it is used and by what, and until when."""
    spender, owner = cap["spender"], cap["owner"]
    whose = f"this {owner['kind']}" if spender["id"] == owner["id"] else f"the {spender['kind']} {spender['id']}"
    per = "in total" if cap["period"] == "total" else f"a {cap['period']}"
    used = f"{cap['held']} held and {cap['captured']} captured"
    until = f"; it renews at {cap['renews_at']}" if cap["renews_at"] else ""
    return f"the cap of {whose} is {cap['credits']} credits {per}, of which {used}{until}."


def check_spend_limit(credits: int, max_credits: int | None) -> None:
    """Raises Problem 422 for a price above the limit of the request."""
    if max_credits is not None and credits > max_credits:
        detail = f"It costs {credits} credits, and the request allows {max_credits}. Nothing was started or charged."
        raise Problem("spend_limit_exceeded", detail, details={"required": credits, "max_credits": max_credits})
