"""What a problem's ``type`` means, for the person who looks it up: ``GET /problems/{code}``."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse

from atelier_gateway import pages
from atelier_gateway.container import Container
from atelier_gateway.web.openapi_responses import answers
from atelier_gateway.web.problems import PROBLEM_ROOT, PROBLEM_TYPES, not_found

ADVICE = {
    400: "Correct the request; `errors`, where it is there, names each field. Nothing was created or charged.",
    401: "Send a store's API key (`Authorization: Bearer` or `X-API-Key`) or a user's token.",
    402: "`required` and `available` say how many credits are missing. Nothing was created or charged.",
    403: "The credential is good, but it may not do this. Ask the operator of this installation.",
    404: "There is no such thing, or it belongs to somebody else: both are answered alike.",
    405: "The path exists; its OpenAPI description names the methods it takes.",
    408: "Send the body faster, or in a smaller request: upload large pictures first. Nothing was created or charged.",
    409: "The thing is not in a state that allows this, or the same request is still under way. Nothing was changed.",
    413: "Send less, or upload the picture first and name its key.",
    422: "The request can be read but not done as it stands. Nothing was created or charged.",
    429: "Wait as long as `Retry-After` says. Nothing was created or charged.",
    500: "It is our fault. The operator finds the cause under the `X-Request-Id` of the answer.",
    503: "Try again later, creating requests with the same `Idempotency-Key`.",
}
"""What to do about it, by status."""
ADVICE_BY_CODE = {
    "insufficient_credits": "Ask the operator for credits, or ask for less: `required` and `available` say how much is "
    "missing. Nothing was created or charged.",
    "cap_exceeded": "`cap` says which cap leaves too little room, how much of it is held and captured, and when it "
    "renews. Wait until then or until what is held has ended, or ask the operator for a higher one. Nothing was "
    "created or charged.",
    "conflict": "`detail` says which state is in the way: a generation that has ended is not cancelled, one that has "
    "not ended is not deleted; an upload is used in another way already, or was just deleted; an output is "
    "disputed already, or can no longer be disputed; a webhook is disabled, or there are as many as there may be. "
    "Change that first; nothing was changed.",
    "cancelled": "Nothing was charged. Send a new request if you still want it.",
    "request_in_progress": "Repeat the request with the same key after a second: the answer is that of the first one. "
    "Where `detail` says that the first one came to nothing, the repetition is a new request.",
    "idempotency_key_reused": "Use another `Idempotency-Key` for another request. Nothing was created or charged.",
    "quote_refused": "`reason` says why: `expired` and `other_request` need a new quote, of `POST /v1/quotes` with the "
    "body of the create; `other_owner` and `altered` are none of this account's. Nothing was created or charged.",
    "unpriced": "Choose a size and quality that have a price; `detail` names those that do. Nothing was charged.",
    "spend_limit_exceeded": "Raise `max_credits` to `required`, or ask for less. Nothing was started or charged.",
    "invalid_idempotency_key": "Send 1 to 255 visible ASCII characters. Nothing was created or charged.",
    "workspace_required": "Send `X-Workspace-Id`. Nothing was created or charged.",
    "simulator_off": "Send no `X-Atelier-Simulate`, or switch the simulator on: `ATELIER_SIMULATOR=on`.",
    "token_cap_reached": "Ask for less, or get another client token from your server. Nothing was created or charged.",
    "token_scope": "A client token may create, and read what it made. Do this on your server, with a key.",
    "origin_refused": "Name the page's origin when you make the client token, and send it from there.",
    "account_disabled": "Ask the operator: the account is suspended.",
    "workspace_forbidden": "Send the id of a workspace that this user belongs to.",
    "uploads_full": "Use or delete uploads, or wait until unused ones are removed.",
    "tenant_queue_full": "Wait until some of your generations have ended. Nothing was created or charged.",
    "provider_failed": "Try again, or name another provider. The credits are back.",
    "deadline_passed": "Try again with a longer deadline. The credits are back.",
    "provider_unavailable": "Name another provider, or ask the operator to configure this one.",
    "endpoint_off": "Ask the operator: this surface is switched off here.",
    "outcome_unknown": "Send it again with the same `Idempotency-Key`: you get one generation and one charge.",
}
"""What to do about one code, where more can be said than about its status."""


def advice_for(code: str, status: int) -> str:
    """What a client does about a problem; empty where there is no text."""
    return ADVICE_BY_CODE.get(code) or ADVICE.get(status, "")


PAGE = answers({}, "not_found")


def router(_: Container) -> APIRouter:
    """One page a problem."""
    routes = APIRouter(prefix="/problems", tags=["Problems"])

    @routes.get("/{code}", response_class=HTMLResponse, responses=PAGE)
    async def get_problem_page(request: Request, code: str) -> HTMLResponse:
        """Get the page of a problem, for people: what it means and what to do about it."""
        if code not in PROBLEM_TYPES:
            raise not_found("problem")
        status, name = PROBLEM_TYPES[code]
        advice, uri = advice_for(code, status), f"{PROBLEM_ROOT}/{code}"
        return pages.page("problem.html", request, code=code, name=name, status=status, advice=advice, type=uri)

    return routes
