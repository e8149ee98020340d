"""The paths of Google's Gemini API, and its authentication."""

import secrets

from fastapi import FastAPI, Request, Response

from atelier_provider_simulator import google_content
from atelier_provider_simulator.request_handler import ParsedRequest, RequestHandler

KEY = "simulated-google"
BASE_PATH = ""


def add_routes(app: FastAPI, handler: RequestHandler, _: dict[str, bytes], key: str) -> None:
    @app.post("/{version}/models/{model}:{method}")
    async def generate(version: str, model: str, method: str, request: Request) -> Response:
        async def read() -> ParsedRequest:
            _check_key(request, key)
            if version not in ("v1", "v1beta"):
                raise google_content.provider_error("The requested URL was not found.", status=404, word="NOT_FOUND")
            return google_content.parse_request(model, method, await request.body())

        return await handler.serve("google", request, read)


def _check_key(request: Request, key: str) -> None:
    """Raises ProviderError. The service answers 400 to a key that it does not know, and 403 to none."""
    payload = request.headers.get("x-goog-api-key") or request.query_params.get("key")
    if not payload:
        message = "Method doesn't allow unregistered callers (callers without established identity)."
        raise google_content.provider_error(message, status=403, word="PERMISSION_DENIED")
    if not secrets.compare_digest(payload.encode(), key.encode()):
        raise google_content.provider_error("API key not valid. Please pass a valid API key.")
