"""Pages of accounts: lists of stores, users and workspaces, and all that is known of one."""

import asyncio
from collections.abc import Mapping

from starlette.responses import Response

from atelier_gateway.surfaces.console.visits import Part, Visit
from atelier_gateway.surfaces.console.words import PERIODS

PAGE_ROWS = 25
LISTS: Mapping[str, str] = {"store": "/stores", "user": "/users", "workspace": "/workspaces"}
"""By the kind of account, where the admin API lists them."""


async def show_accounts(visit: Visit) -> Response:
    """Accounts of one kind, newest first."""
    kind = visit.request.query_params.get("kind", "store")
    kind = kind if kind in LISTS else "store"
    page = await visit.part(LISTS[kind], {**visit.query("cursor"), "limit": PAGE_ROWS})
    following = visit.next_address((page.value or {}).get("next_cursor"))
    return visit.page("accounts.html", here="accounts", kind=kind, kinds=list(LISTS), page=page, following=following)


async def show_account(visit: Visit) -> Response:
    """One account: who it is, its credits, its keys or members, its webhooks, what was done to it."""
    kind, id_ = visit.request.path_params["kind"], visit.request.path_params["id"]
    if kind not in LISTS:
        return visit.page("problem.html", status=404, title="There is no such account", detail="")
    who = await visit.part(f"{LISTS[kind]}/{id_}")
    if who.value is None:
        return visit.page("problem.html", status=404, title=f"There is no such {kind}", detail=who.why_not or "")
    balance, entries, caps, deliveries, keys, members, workspaces, generations, acts, refused = await asyncio.gather(
        visit.part(f"/credits/{kind}/{id_}"),
        visit.part(f"/accounts/{kind}/{id_}/entries", {"limit": 15}),
        visit.part(f"/caps/{kind}/{id_}"),
        visit.part(f"/accounts/{kind}/{id_}/deliveries", {"limit": 10}),
        _of_kind(visit, kind, "store", f"/stores/{id_}/keys"),
        _of_kind(visit, kind, "workspace", f"/workspaces/{id_}/members"),
        _of_kind(visit, kind, "user", f"/workspaces?member={id_}"),
        visit.part("/generations", {"owner_kind": kind, "owner_id": id_, "limit": 10}),
        visit.part("/acts", {"target": id_, "limit": 15}),
        visit.part("/refusals", {"owner_kind": kind, "owner_id": id_, "limit": 10}),
    )
    period = visit.request.query_params.get("usage", "")
    usage = await visit.part(f"/accounts/{kind}/{id_}/usage", PERIODS[period]()) if period in PERIODS else Part(None)
    return visit.page(
        "account.html",
        here="accounts",
        kind=kind,
        id=id_,
        who=who.value,
        balance=balance,
        entries=entries,
        caps=caps,
        deliveries=deliveries,
        generations=generations,
        acts=acts,
        refused=refused,
        usage=usage,
        keys=keys,
        members=members,
        workspaces=workspaces,
    )


async def _of_kind(visit: Visit, kind: str, wanted: str, path: str) -> Part:
    """What only accounts of one kind have."""
    return await visit.part(path) if kind == wanted else Part(None)
