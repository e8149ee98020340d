"""What seed 001 makes: a story with its text in the object store, where the render reads it, and narrations of it."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_contracts import InputRef, Owner, RenderSpec, Work
from atelier_gateway.bodies import answer, read
from atelier_gateway.creating import Draft
from atelier_gateway.idempotency import HEADER, REPLAYED, Claim, Reply, checked, fingerprint
from atelier_gateway.identity.principals import Principal
from atelier_gateway.limits import Rule, headers, refusal
from atelier_gateway.parts import Parts
from atelier_gateway.problems import Problem
from atelier_gateway.simulation import HEADER as SIMULATE
from atelier_gateway.simulation import simulation
from atelier_gateway.store import stories
from atelier_gateway.store.stories import Story
from atelier_gateway.surfaces.stories.asked import NewGeneration, NewStory
from atelier_gateway.surfaces.stories.replies import SHAPE, TELL, story_view
from atelier_storage.errors import StorageUnavailable
from atelier_storage.keys import upload_key

HOUR_S = 3_600
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
        limits, counted = self._parts.limits, str(principal.owner.id)
        draft = await self._draft(request, principal.owner)
        verdict = await limits.look(self._rule, counted)
        if not verdict.allowed:
            raise refusal(verdict)
        response = await self._parts.creating.create(principal, draft, SHAPE)
        if response.status_code == 202 and REPLAYED not in response.headers:
            verdict = await limits.record(self._rule, counted)
        response.headers.update(headers(verdict))
        return response

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
        asked = await read(request, NewGeneration)
        story = await stories.find(self._parts.pool, asked.story_id, owner.id)
        if story is None:
            raise Problem("not_found", "Story not found")
        spec = RenderSpec(
            kind="narration",
            inputs=(InputRef(role="text", key=story.key),),
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
