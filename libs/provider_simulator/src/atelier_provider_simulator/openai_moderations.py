"""OpenAI's moderation endpoint: flags texts for violence, by a word that this file or a plan names."""

import secrets
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from atelier_provider_simulator import openai_errors as errors
from atelier_provider_simulator.plans import Plan, PlannedOutcome
from atelier_provider_simulator.request_handler import ParsedRequest

FLAGGED_WORD = "simulated-violence"
"""A text that holds it is flagged, whatever is planned."""
MODELS = ("omni-moderation-latest", "omni-moderation-2024-09-26")
KNOWN = {"input", "model"}
FLAGGED_FOR = "violence"
CATEGORIES = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent"),
    *("self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors"),
    *("violence", "violence/graphic"),
)
SCORE, SCORE_FLAGGED = 0.0001, 0.97
OVERSIZED_CHARS = 8 * 1024 * 1024


def parse_request(payload: Mapping[str, Any]) -> ParsedRequest:
    """The request, checked as the API checks it. Raises ProviderError."""
    for parameter in payload:
        if parameter not in KNOWN:
            raise errors.provider_error(f"Unknown parameter: '{parameter}'.", parameter, "unknown_parameter")
    model = payload.get("model") or MODELS[0]
    if model not in MODELS:
        raise errors.provider_error(f"The model '{model}' does not exist.", "model", "model_not_found", status=404)
    texts = _texts(payload.get("input"))

    def make(planned: PlannedOutcome, count: int) -> Response:
        return _answer(model, [_result(text, planned.plan) for text in texts[:count]], planned.plan)

    def decline(plan: Plan) -> Response:
        # Moderation flags what other endpoints refuse.
        return (
            make(PlannedOutcome(plan, None), len(texts))
            if plan.outcome == "refused"
            else errors.decline(plan, model=model)
        )

    return ParsedRequest(model, len(texts), make, decline)


def _texts(payload: object) -> list[str]:
    texts = [payload] if isinstance(payload, str) else payload
    if texts is None:
        raise errors.provider_error("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise errors.provider_error("The simulator judges a text or an array of texts.", "input", "invalid_type")
    return texts


def _result(text: str, plan: Plan) -> dict[str, Any]:
    held = text.lower()
    planned = plan.outcome == "refused" and (plan.word is None or plan.word.lower() in held)
    flagged = planned or FLAGGED_WORD in held
    hit = {name: flagged and name == FLAGGED_FOR for name in CATEGORIES}
    return {
        "flagged": "perhaps" if plan.outcome == "corrupt" else flagged,
        "categories": hit,
        "category_scores": {name: SCORE_FLAGGED if is_hit else SCORE for name, is_hit in hit.items()},
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
    }


def _answer(model: str, results: list[dict[str, Any]], plan: Plan) -> Response:
    body: dict[str, Any] = {"id": f"modr-{secrets.token_hex(16)}", "model": model, "results": results}
    if plan.outcome == "oversized":
        body["padding"] = " " * OVERSIZED_CHARS
    return JSONResponse(body, headers=errors.headers())
