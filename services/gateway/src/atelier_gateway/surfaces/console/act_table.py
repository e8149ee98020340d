"""The acts of the console, as a table: which call of the admin API each is, and the body that its form makes. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Form = Mapping[str, str]
CAP = "/caps/{owner_kind}/{owner_id}/{spender_kind}/{spender_id}/{period}"


def _no_body(_: Form) -> dict[str, Any] | None:
    return None


@dataclass(frozen=True, slots=True)
class Act:
    """``path`` below the admin API, filled in from the form; ``done`` is said afterwards. A reason that the body does
    not hold goes into its header."""

    method: str
    path: str
    done: str
    body: Callable[[Form], dict[str, Any] | None] = _no_body
    posts: bool = False
    """Whether billing posts it; 202 means that it has not answered yet."""
    shown_once: str | None = None
    """The member of the answer that is shown once, such as a new key."""


def with_reason(*names: str) -> Callable[[Form], dict[str, Any]]:
    """A body of these fields of the form and the reason; empty fields are left out."""
    return lambda form: {name: form[name] for name in (*names, "reason") if form.get(name)}


def taken(*names: str) -> Callable[[Form], dict[str, Any]]:
    """A body of these fields, which have to be there."""
    return lambda form: {name: form[name] for name in names}


def constant(**values: Any) -> Callable[[Form], dict[str, Any]]:
    """Always this body."""
    return lambda _: dict(values)


def number_of(form: Form, name: str) -> dict[str, Any]:
    """A field as a number, where it is filled in. What is no number is passed on, for the API to refuse: without it
    the API takes all that there is."""
    text = form.get(name, "")
    return {name: int(text) if text.isascii() and text.isdecimal() else text} if text else {}


def credits_of(form: Form) -> dict[str, Any]:
    """``credits``, where there are any."""
    return number_of(form, "credits")


def minutes_and(*names: str) -> Callable[[Form], dict[str, Any]]:
    """A body of these fields, the reason, and ``minutes`` as a number."""
    return lambda form: with_reason(*names)(form) | number_of(form, "minutes")


def frames_of(form: Form) -> dict[str, Any]:
    """The dead letters that are marked."""
    return {"reason": form["reason"], "frames": [each for each in form.get("ids", "").split(",") if each]}


def of_owner(*names: str) -> Callable[[Form], dict[str, Any]]:
    """A body about an owner's credits."""
    return lambda form: (
        with_reason(*names)(form)
        | credits_of(form)
        | {"owner": {"kind": form.get("owner_kind"), "id": form.get("owner_id")}}
    )


def decide(decision: str) -> Callable[[Form], dict[str, Any]]:
    """The decision of a dispute."""
    return lambda form: {"decision": decision, "reason": form["reason"]}


ON_GENERATIONS: Mapping[str, Act] = {
    "cancel": Act("POST", "/generations/{id}/cancel", "Cancelled. Its credits go back to its owner.", with_reason()),
    "return": Act(
        "POST",
        "/credits/returns",
        "Returned. The posting is on the books.",
        lambda form: with_reason("generation_id")(form) | credits_of(form),
        posts=True,
    ),
    "rerender": Act(
        "POST", "/generations/{id}/rerender", "Ordered. Its charge is given back when it has ended.", with_reason()
    ),
    "refund-dispute": Act("POST", "/disputes/{id}/decision", "The refund is on its way.", decide("refund")),
    "decline-dispute": Act("POST", "/disputes/{id}/decision", "Declined; the customer sees why.", decide("decline")),
}
ON_LETTERS: Mapping[str, Act] = {
    "redrive": Act("POST", "/dead-letters/{queue}/redrive", "The marked letters are on their way again.", frames_of),
    "redrive-all": Act("POST", "/dead-letters/{queue}/redrive", "All letters are on their way again.", with_reason()),
    "discard": Act("POST", "/dead-letters/{queue}/discard", "The marked letters are gone; the note stays.", frames_of),
}
ON_ACCOUNTS: Mapping[str, Act] = {
    "grant": Act("POST", "/credits/grants", "Granted.", of_owner(), posts=True),
    "take-back": Act("POST", "/credits/take-backs", "Taken back.", of_owner("grant_id"), posts=True),
    "set-cap": Act("PUT", CAP, "The cap is set.", credits_of, posts=True),
    "remove-cap": Act("DELETE", CAP, "The cap is removed.", posts=True),
    "suspend": Act("PATCH", "/stores/{id}", "Suspended.", constant(suspended=True)),
    "restore": Act("PATCH", "/stores/{id}", "Restored.", constant(suspended=False)),
    "create-key": Act("POST", "/stores/{id}/keys", "A new key", taken("name"), shown_once="api_key"),
    "revoke-key": Act("DELETE", "/stores/{id}/keys/{key_id}", "The key is revoked."),
    "disable-user": Act("PATCH", "/users/{id}", "Disabled.", constant(disabled=True)),
    "enable-user": Act("PATCH", "/users/{id}", "Enabled.", constant(disabled=False)),
    "replay-delivery": Act("POST", "/accounts/{kind}/{id}/deliveries/{delivery_id}/replay", "It is sent once more."),
}
ON_BOOKS: Mapping[str, Act] = {
    "reconcile": Act("POST", "/reconcile/runs", "The comparison has begun.", constant(scope="full")),
    "repair": Act("POST", "/reconcile/repairs", "The repairs are sent."),
    "prove-ledger": Act("POST", "/ledger/proofs", "The proof has begun."),
    "verify-log": Act("POST", "/log/verifications", "The verification has begun."),
    "pause": Act("PATCH", "/subscriptions/{name}", "Paused.", constant(paused=True)),
    "resume": Act("PATCH", "/subscriptions/{name}", "Resumed.", constant(paused=False)),
    "replay": Act("POST", "/subscriptions/{name}/replay", "The events are on their way.", taken("since")),
}
ON_PROVIDERS: Mapping[str, Act] = {
    "hold-breaker": Act(
        "PUT", "/providers/{name}/breaker", "Held, in every process within 3 seconds.", minutes_and("state")
    ),
    "release-breaker": Act("DELETE", "/providers/{name}/breaker", "Released: it follows its own counts again."),
}
ACTS: Mapping[str, Act] = {**ON_GENERATIONS, **ON_LETTERS, **ON_ACCOUNTS, **ON_BOOKS, **ON_PROVIDERS}
"""By the name in the address of their form."""
LATER = "later"
SAID: Mapping[str, str] = {name: act.done for name, act in ACTS.items()} | {
    LATER: "Recorded. Billing has not answered yet; it will be posted when it does."
}
"""What the next page says after an act, by its name."""
