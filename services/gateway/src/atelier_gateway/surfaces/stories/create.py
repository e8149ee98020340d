"""Creates stories, with their text in the object store for the render, and narrations of them (seed 001)."""

import hashlib
import sys
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_contracts import InputRef, Owner, RenderSpec, Work
from atelier_gateway.container import Container
from atelier_gateway.generations.creation import Draft
from atelier_gateway.generations.rollback import rollback_unless_admitted
from atelier_gateway.idempotency.keys import (
    StoredResponse,
)
from atelier_gateway.idempotency.responses import claim_of, respond_once
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.rate_limits import hourly_quota
from atelier_gateway.rate_limits.hourly_quota import HOUR_S, HourlyUsage, Table
from atelier_gateway.rate_limits.limiter import (
    RateLimitDecision,
    RateLimitRule,
    rate_limit_headers,
    rate_limited_problem,
)
from atelier_gateway.stories import store as story_store
from atelier_gateway.stories.store import Story
from atelier_gateway.surfaces.create_headers import CreateHeaders
from atelier_gateway.surfaces.stories.requests import NewStory, StoryGenerationRequest
from atelier_gateway.surfaces.stories.responses import CREATE_STORY, RESPONSES, story_view
from atelier_gateway.web.json_bodies import json_response, parse_body
from atelier_gateway.web.problems import Problem
from atelier_storage.errors import StorageUnavailable
from atelier_storage.keys import upload_key

TABLE: Table = "story_requests"
TEXT_TYPE = "text/plain; charset=utf-8"


class StoryCreator:
    """Handles both POSTs. Every method raises Problem."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._rule = RateLimitRule("story-generations", container.settings.story_generations_per_hour, HOUR_S)

    async def create_story(self, request: Request, principal: Principal) -> Response:
        """201 with the story."""
        body, owner = await parse_body(request, NewStory), principal.owner

        async def act() -> StoredResponse:
            response = json_response(story_view(await self._store_story(owner, body)), 201)
            return StoredResponse(response.status_code, bytes(response.body))

        claim = claim_of(request, owner.kind, owner.id, CREATE_STORY, body.model_dump_json())
        return await respond_once(self._container.idempotent_runner, claim, act)

    async def create_narration(self, request: Request, principal: Principal) -> Response:
        """202. Only accepted requests count towards the hourly quota (settled question 9)."""
        draft = await self._build_draft(request, principal.owner)
        make = partial(self._create_counted, principal, draft)
        return await self._container.creator.replay_or_run(principal, RESPONSES, draft.key, draft.fingerprint, make)

    async def _create_counted(self, principal: Principal, draft: Draft) -> Response:
        """Counts the request before it is admitted, and takes it back if it is not admitted."""
        hour = await self._count_request(draft.id, principal.owner.id)
        undo = partial(hourly_quota.uncount_request, self._container.pool, TABLE, draft.id)
        async with rollback_unless_admitted(undo) as attempt:
            response = attempt.resolve(await self._container.creator.create(principal, draft, RESPONSES))
        usage = HourlyUsage(hour.used + attempt.is_admitted, hour.reset_s or HOUR_S)
        response.headers.update(rate_limit_headers(self._decide(usage)))
        return response

    async def _count_request(self, id_: UUID, user_id: UUID) -> HourlyUsage:
        """The user's hourly usage before this request. Raises Problem 429 when the quota is used up."""
        most = self._rule.limit if self._container.settings.rate_limit_enabled else sys.maxsize
        async with self._container.bus.unit.once(dispatch=False) as tx:
            hour = await hourly_quota.count_if_below(tx.connection, TABLE, id_, user_id, most=most)
        if hour.used >= most:
            raise rate_limited_problem(self._decide(hour))
        return hour

    def _decide(self, usage: HourlyUsage) -> RateLimitDecision:
        return hourly_quota.decide(self._rule, usage, is_enabled=self._container.settings.rate_limit_enabled)

    async def _store_story(self, owner: Owner, body: NewStory) -> Story:
        id_ = uuid7()
        story = Story(
            id=id_,
            user_id=owner.id,
            title=body.title,
            text=body.text,
            language=body.language,
            key=upload_key(owner.kind, owner.id, id_, "story.txt"),
            created_at=datetime.now(UTC),
        )
        try:
            await self._container.objects.put(story.key, story.text.encode(), TEXT_TYPE)
        except StorageUnavailable:
            raise Problem("unavailable", "The object store does not answer; try again later.") from None
        try:
            await story_store.insert(self._container.pool, story)
        except Exception:
            await self._container.objects.remove(story.key)
            raise
        return story

    async def _build_draft(self, request: Request, owner: Owner) -> Draft:
        headers = CreateHeaders.read(request, allowed=self._container.simulates())
        body = await parse_body(request, StoryGenerationRequest)
        story = await story_store.find(self._container.pool, body.story_id, owner.id)
        if story is None:
            raise Problem("not_found", "Story not found")
        spec = RenderSpec(
            kind="narration",
            inputs=(InputRef(role="text", key=story.key, sha256=_sha256(story.text)),),
            language=story.language,
            simulate=headers.simulation,
        )
        return Draft(
            Work(kind="narration", characters=len(story.text)),
            spec,
            {"story_id": str(story.id)},
            self._container.settings.generation_deadline_s,
            headers.key,
            headers.fingerprint(str(story.id)),
        )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
