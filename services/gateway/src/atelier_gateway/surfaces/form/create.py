"""Creates a generation from a form. Checks run in the order of seed 002: flags, auth, size, schema, rate, images,
balance, capacity; then admission, behind a circuit breaker."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from atelier_contracts.word_filter import BannedWords
from atelier_gateway.container import Container
from atelier_gateway.generations import form_queue, input_rules
from atelier_gateway.generations.creation import Draft
from atelier_gateway.generations.form_queue import QueuePlace
from atelier_gateway.generations.rollback import rollback_unless_admitted
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media.image_hosts import parse_allowed_hosts
from atelier_gateway.media.input_references import INPUT_BYTES_MAX
from atelier_gateway.peers.client import PeerUnavailable
from atelier_gateway.rate_limits import hourly_quota, limiter
from atelier_gateway.rate_limits.hourly_quota import HOUR_S, HourlyUsage
from atelier_gateway.rate_limits.limiter import RateLimitDecision, RateLimitRule
from atelier_gateway.surfaces.create_headers import CreateHeaders
from atelier_gateway.surfaces.form.authentication import authenticate_form_user
from atelier_gateway.surfaces.form.input_images import InputImages, uses_of
from atelier_gateway.surfaces.form.request_log import RequestLogEntry
from atelier_gateway.surfaces.form.requests import GenerationForm, prompt_of, spec_of, work_of
from atelier_gateway.surfaces.form.responses import RESPONSES, with_security_headers
from atelier_gateway.web.json_bodies import parse_body
from atelier_gateway.web.problems import Problem
from atelier_messaging import is_outage
from atelier_resilience.breaker import CircuitBreaker, CircuitOpen
from atelier_storage.safe_fetcher import SafeFetcher


class FormCreator:
    """Accepts forms; one instance a process, since it holds the circuit breaker."""

    def __init__(self, container: Container) -> None:
        settings = container.settings
        self._container, self._settings = container, settings
        self._breaker = CircuitBreaker()
        self._rule = RateLimitRule("form-accepted", settings.max_requests_per_hour, HOUR_S)
        fetcher = SafeFetcher(max_bytes=INPUT_BYTES_MAX) if settings.enhanced_validation else None
        hosts = parse_allowed_hosts(settings.image_hosts)
        self._images = InputImages(container.input_resolver, container.objects.key_of, hosts, fetcher)
        self._banned = BannedWords.from_list(settings.banned_words, whole=False)
        """Found anywhere, inside other words too (seed 002, ``validatePrompt``)."""

    async def submit(self, request: Request, entry: RequestLogEntry) -> Response:
        """201, or the earlier answer to the same key. Raises Problem."""
        if not (self._settings.new_generation_endpoint and self._settings.generation_enabled):
            raise Problem("endpoint_off", "Endpoint not available")
        principal = await authenticate_form_user(self._container, request, entry)
        headers = CreateHeaders.read(request, allowed=self._container.simulates())
        form = await parse_body(request, GenerationForm)
        entry.set_form(form)
        self._check(form)
        draft = Draft(
            work=work_of(form),
            spec=spec_of(form).model_copy(update={"simulate": headers.simulation}),
            request=form.model_dump(mode="json", exclude_none=True) | {"prompt": prompt_of(form)},
            deadline_s=self._settings.generation_deadline_s,
            key=headers.key,
            fingerprint=headers.fingerprint(form.model_dump_json()),
        )
        make = partial(self._create, principal, form, draft)
        return with_security_headers(
            await self._container.creator.replay_or_run(principal, RESPONSES, draft.key, draft.fingerprint, make)
        )

    def _check(self, form: GenerationForm) -> None:
        """Checks what the schema cannot express. Raises Problem 400."""
        if self._banned.first_in(form.customPrompt):
            error = {"field": "customPrompt", "message": "Custom prompt contains prohibited content"}
            raise Problem("invalid_request", error["message"], details={"errors": [error]})
        if form.aspectRatio not in self._settings.form_ratios:
            raise Problem("model_unsuitable", f"Aspect ratio {form.aspectRatio} is not supported by {form.model}")

    async def _create(self, principal: Principal, form: GenerationForm, draft: Draft) -> Response:
        hour = await hourly_quota.get_usage(self._container.pool, form_queue.TABLE, principal.owner.id)
        self._enforce(hour)
        inputs = await self._images.references(principal.owner, form.images)
        place = await self._enqueue(principal, draft)
        ready = Draft(
            draft.work,
            draft.spec.model_copy(update={"inputs": inputs}),
            draft.request | {"queuePosition": place.position},
            draft.deadline_s,
            draft.key,
            draft.fingerprint,
            draft.id,
            uses_of(form.images, inputs),
        )
        undo = partial(hourly_quota.uncount_request, self._container.pool, form_queue.TABLE, draft.id)
        async with rollback_unless_admitted(undo) as attempt:
            response = attempt.resolve(await self._admit(principal, ready))
        usage = HourlyUsage(hour.used + attempt.is_admitted, hour.reset_s or HOUR_S)
        response.headers.update(limiter.rate_limit_headers(self._decide(usage)))
        return response

    async def _enqueue(self, principal: Principal, draft: Draft) -> QueuePlace:
        """A place in the queue. Raises Problem."""
        hourly_max = self._rule.limit if self._settings.rate_limit_enabled else None
        async with self._container.bus.unit.once(dispatch=False) as tx:
            place = await form_queue.enqueue(
                tx.connection,
                draft.id,
                principal.owner.id,
                hourly_max=hourly_max,
                pending_max=self._settings.queue_max_size,
            )
        if isinstance(place, HourlyUsage):
            self._enforce(place)
        if not isinstance(place, QueuePlace):
            raise await self._queue_full_problem(principal, input_rules.price_or_refuse(draft.work).credits)
        return place

    async def _admit(self, principal: Principal, draft: Draft) -> Response:
        """The response of the create, behind the circuit breaker. Raises Problem."""
        try:
            with self._breaker.guard_errors(_is_unavailable):
                return await self._container.creator.create(principal, draft, RESPONSES)
        except CircuitOpen as error:
            wait = {"Retry-After": str(round(error.wait_s))}
            detail = "Generation is paused after failures. Nothing was started; try again later."
            raise Problem("unavailable", detail, headers=wait) from None

    async def _queue_full_problem(self, principal: Principal, price: int) -> Problem:
        """Why the queue refuses; seed 002 checks the balance first, so without enough credits that is the error."""
        try:
            available = int((await self._container.peers.get_account(principal.owner))["available"])
        except PeerUnavailable:
            available = price
        if available < price:
            details = {"required": price, "available": available}
            return Problem("insufficient_credits", f"This costs {price}.", details=details)
        return Problem("queue_full", "The queue is full.", headers={"Retry-After": "30"})

    def _enforce(self, hour: HourlyUsage) -> None:
        """Raises Problem 429 when the user's hourly quota is used up."""
        if not (decision := self._decide(hour)).is_allowed:
            raise limiter.rate_limited_problem(decision)

    def _decide(self, usage: HourlyUsage) -> RateLimitDecision:
        return hourly_quota.decide(self._rule, usage, is_enabled=self._settings.rate_limit_enabled)


def _is_unavailable(error: Exception) -> bool:
    """What the circuit breaker counts: an admission that does not answer, not one that declines."""
    return is_outage(error) or (isinstance(error, Problem) and error.code in ("unavailable", "outcome_unknown"))
