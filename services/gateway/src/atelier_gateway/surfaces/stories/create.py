"""What seed 001 makes: a story with its text in the object store, where the render reads it, and narrations of it."""

import hashlib
import math
import sys
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_contracts import InputRef, Owner, RenderSpec, Work
from atelier_gateway.container import Parts
from atelier_gateway.generations.creation import Draft
from atelier_gateway.idempotency.keys import HEADER, REPLAYED, Claim, Reply, checked, fingerprint
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.rate_limits import hourly_quota as hours
from atelier_gateway.rate_limits.hourly_quota import HOUR_S, Hour, Table
from atelier_gateway.rate_limits.limiter import Rule, Verdict, headers, refusal
from atelier_gateway.stories import store as stories
from atelier_gateway.stories.store import Story
from atelier_gateway.surfaces.stories.requests import NewStory, StoryGenerationRequest
from atelier_gateway.surfaces.stories.responses import SHAPE, TELL, story_view
from atelier_gateway.web.json_bodies import answer, read
from atelier_gateway.web.problems import Problem
from atelier_gateway.web.simulate_header import HEADER as SIMULATE
from atelier_gateway.web.simulate_header import simulation
from atelier_storage.errors import StorageUnavailable
from atelier_storage.keys import upload_key

TABLE: Table = "story_requests"
TEXT_TYPE = "text/plain; charset=utf-8"


class Making:
    """Takes both POSTs. Every method raises Problem."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._rule = Rule("story-generations", parts.settings.story_generations_per_hour, HOUR_S)

    async def story(self, request: Request, principal: Principal) -> Response:
        """201 with the story."""
        key = checked(request.headers.get(HEADER))
        asked = await read(request, NewStory)
        owner = principal.owner

        async def act() -> Reply:
            told = answer(story_view(await self._told(owner, asked)), 201)
            return Reply(told.status_code, bytes(told.body))

        same = fingerprint(asked.model_dump_json())
        claim = Claim(owner.kind, owner.id, TELL, key, same, uuid7()) if key else None
        reply, replayed = await self._parts.keyed.once(claim, act)
        return Response(reply.body, reply.status, {REPLAYED: "true"} if replayed else None, "application/json")

    async def narration(self, request: Request, principal: Principal) -> Response:
        """202. Only what was accepted counts towards the hour (REQUIREMENTS, settled question 9)."""
        draft = await self._draft(request, principal.owner)
        make = partial(self._narrated, principal, draft)
        return await self._parts.creating.once(principal, SHAPE, draft.key, draft.fingerprint, make)

    async def _narrated(self, principal: Principal, draft: Draft) -> Response:
        """Counted in before it is asked for, and out again if nothing comes of it."""
        hour = await self._enter(draft.id, principal.owner.id)
        counts = False
        try:
            response = await self._parts.creating.create(principal, draft, SHAPE)
            counts = response.status_code == 202 and REPLAYED not in response.headers
        except Problem as refused:
            counts = refused.code == "outcome_unknown"
            raise
        finally:
            if not counts:
                await hours.leave(self._parts.pool, TABLE, draft.id)
        response.headers.update(headers(self._verdict(Hour(hour.used + counts, hour.reset_s or HOUR_S))))
        return response

    async def _enter(self, id_: UUID, user_id: UUID) -> Hour:
        """The user's hour before this request. Raises Problem 429 when it is full."""
        most = self._rule.limit if self._parts.settings.rate_limit_enabled else sys.maxsize
        async with self._parts.bus.unit.once(dispatch=False) as work:
            hour = await hours.enter_alone(work.connection, TABLE, id_, user_id, most=most)
        if hour.used >= most:
            raise refusal(self._verdict(hour))
        return hour

    def _verdict(self, hour: Hour) -> Verdict:
        remaining = max(0, self._rule.limit - hour.used)
        counted = self._parts.settings.rate_limit_enabled
        return Verdict(self._rule, remaining > 0, remaining, math.ceil(hour.reset_s), counted=counted)

    async def _told(self, owner: Owner, asked: NewStory) -> Story:
        id_ = uuid7()
        story = Story(
            id=id_,
            user_id=owner.id,
            title=asked.title,
            text=asked.text,
            language=asked.language,
            key=upload_key(owner.kind, owner.id, id_, "story.txt"),
            created_at=datetime.now(UTC),
        )
        try:
            await self._parts.objects.put(story.key, story.text.encode(), TEXT_TYPE)
        except StorageUnavailable:
            raise Problem("unavailable", "The object store does not answer; try again later.") from None
        try:
            await stories.insert(self._parts.pool, story)
        except Exception:
            await self._parts.objects.remove(story.key)
            raise
        return story

    async def _draft(self, request: Request, owner: Owner) -> Draft:
        key = checked(request.headers.get(HEADER))
        simulate = request.headers.get(SIMULATE)
        simulated = simulation(simulate, allowed=self._parts.simulating)
        asked = await read(request, StoryGenerationRequest)
        story = await stories.find(self._parts.pool, asked.story_id, owner.id)
        if story is None:
            raise Problem("not_found", "Story not found")
        spec = RenderSpec(
            kind="narration",
            inputs=(InputRef(role="text", key=story.key, sha256=_sha256(story.text)),),
            language=story.language,
            simulate=simulated,
        )
        return Draft(
            Work(kind="narration", characters=len(story.text)),
            spec,
            {"story_id": str(story.id)},
            self._parts.settings.generation_deadline_s,
            key,
            fingerprint(str(story.id), simulate or ""),
        )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
