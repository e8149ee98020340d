"""OpenAI's error bodies and headers."""

import secrets

from starlette.responses import JSONResponse, Response

from atelier_provider_simulator.plans import Plan
from atelier_provider_simulator.request_handler import ProviderError

RETRY_AFTER_S = 1.0


def headers() -> dict[str, str]:
    """What every answer carries."""
    return {"x-request-id": f"req_{secrets.token_hex(16)}", "openai-version": "2020-10-01"}


def error_response(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
    extra: dict[str, str] | None = None,
) -> Response:
    """An error as the API words it."""
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return JSONResponse(body, status, headers() | (extra or {}))


def provider_error(
    message: str, param: str | None = None, code: str | None = None, *, status: int = 400
) -> ProviderError:
    """The same, to be raised."""
    return ProviderError(error_response(status, message, param=param, code=code))


def decline(plan: Plan, *, model: str) -> Response:
    """The answer to a request for which nothing is made."""
    match plan.outcome:
        case "rate_limited":
            after_s = RETRY_AFTER_S if plan.retry_after_s is None else plan.retry_after_s
            retry_headers = {"retry-after": str(max(1, round(after_s))), "retry-after-ms": str(round(after_s * 1_000))}
            words = f"Rate limit reached for {model}. Please try again in {after_s:g}s."
            return error_response(429, words, kind="requests", code="rate_limit_exceeded", extra=retry_headers)
        case "out_of_quota":
            words = "You exceeded your current quota, please check your plan and billing details."
            return error_response(429, words, kind="insufficient_quota", code="insufficient_quota")
        case "server_error":
            words = "The server had an error while processing your request. Sorry about that!"
            return error_response(plan.status or 500, words, kind="server_error")
        case _:
            return content_policy_error(model)


def content_policy_error(model: str) -> Response:
    """Content rules: the older models and the newer ones word them differently."""
    if model.startswith("dall-e"):
        words = "Your request was rejected as a result of our safety system."
        return error_response(400, words, code="content_policy_violation")
    words = "Your request was rejected by the safety system. safety_violations=[violence]."
    return error_response(400, words, kind="image_generation_user_error", code="moderation_blocked")
