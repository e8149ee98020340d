"""What a client token may not say in a create: everyone who opens the page has it."""

from atelier_gateway.container import Container
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media import upload_store
from atelier_gateway.surfaces.native.requests import GenerationRequest
from atelier_gateway.web.problems import Problem, field_problem


async def check_client(container: Container, principal: Principal, body: GenerationRequest) -> None:
    """Raises Problem 403 for another kind than the token's and for what only the store may decide; 400 for an upload
    that was not made for its end user, as for an unknown one."""
    token = principal.client
    if token is None:
        return
    if token.kinds is not None and body.kind not in token.kinds:
        raise Problem("token_scope", f"This client token makes {', '.join(token.kinds)} only.")
    if body.webhook_url is not None:
        raise _refusal("webhook_url", "only a key of the store may set it")
    if body.charge != "on_completion":
        raise _refusal("charge", "when it is charged is the store's to say")
    if body.store is not None:
        raise _refusal("store", "how long outputs are kept is the store's to say")
    if body.priority == "high":
        raise _refusal("priority", "who goes first is the store's to say")
    if body.reuse:
        raise _refusal("reuse", "earlier results may be another customer's")
    await _check_uploads(container, principal, token.audience, body)


async def _check_uploads(container: Container, principal: Principal, audience: str, body: GenerationRequest) -> None:
    named = {}
    for index, given in enumerate(body.inputs):
        key = given.key or (container.objects.key_of(given.url) if given.url else None)
        if key is not None:
            named[key] = f"inputs.{index}.{'url' if given.key is None else 'key'}"
    known = await upload_store.keys_of_audience(container.pool, principal.owner, audience, named) if named else set()
    for key, field in named.items():
        if key not in known:
            raise field_problem(field, "There is no such upload.")


def _refusal(field: str, why: str) -> Problem:
    return field_problem(field, f"a client token cannot set it: {why}", code="token_scope")
