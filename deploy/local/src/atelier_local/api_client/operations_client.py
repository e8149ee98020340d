"""The admin API's lists and acts on stores, keys, people and operators, for the command line."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

from atelier_local.api_client.client import AdminClient

PAGE = 100
POLL_S = 0.5
RECONCILE = "/v1/admin/reconcile"
DISPUTES = "/v1/admin/disputes"
Row = dict[str, Any]


class OperationsClient(AdminClient):
    """``AdminClient`` and what only an operator at a terminal asks for. Rows are as the API shows them."""

    async def list_rows(self, what: str, path: str, limit: int, **filters: str | None) -> list[Row]:
        """At most so many of a list, the newest first, page by page."""
        found: list[Row] = []
        async for row in self._rows(what, path, {name: value for name, value in filters.items() if value}, limit):
            found.append(row)
            if len(found) == limit:
                break
        return found

    async def _rows(self, what: str, path: str, filters: dict[str, str], limit: int) -> AsyncIterator[Row]:
        query: dict[str, str | int] = {**filters, "limit": min(PAGE, limit)}
        while True:
            request = self._http.build_request("GET", path, params=query)
            page = (await self._send(f"list the {what}", request)).json()
            for row in page["data"]:
                yield row
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    async def read(self, what: str, path: str, **asked: str) -> Row:
        """What is there, for these parameters."""
        return dict((await self._send(what, self._http.build_request("GET", path, params=asked))).json())

    async def act(self, what: str, method: str, path: str, reason: str) -> Row:
        """An act whose body has no reason of its own; empty where its answer is."""
        return dict(await self.ask(what, method, path, headers={"X-Operator-Reason": quote(reason)}) or {})

    async def search(self, text: str) -> Row:
        """What is found by a text."""
        return await self.read("search", "/v1/admin/search", q=text)

    async def rerender(self, generation: str, *, reason: str, key: str) -> Row:
        """The generation that is made of the same request, for free: one for one key."""
        path = f"/v1/admin/generations/{generation}/rerender"
        return dict(await self.ask("render it again", "POST", path, {"reason": reason}, {"Idempotency-Key": key}))

    async def suspend_store(self, store: str, *, suspended: bool) -> Row:
        """Suspends a store, or restores it."""
        body = {"suspended": suspended}
        return dict(await self.ask("change the store", "PATCH", f"/v1/admin/stores/{store}", body))

    async def create_key(self, store: str, name: str, *, test: bool = False) -> Row:
        """A further key of a store, or one of its test account."""
        body = {"name": name} | ({"test": True} if test else {})
        return dict(await self.ask("create the key", "POST", f"/v1/admin/stores/{store}/keys", body))

    async def revoke_key(self, store: str, key: str) -> None:
        """Ends a key, named by its id or its prefix."""
        await self.ask("revoke the key", "DELETE", f"/v1/admin/stores/{store}/keys/{key}")

    async def change_member(self, workspace: str, user: str, *, belongs: bool) -> None:
        """Takes a user into a workspace, or out of it."""
        method = "PUT" if belongs else "DELETE"
        await self.ask("change the members", method, f"/v1/admin/workspaces/{workspace}/members/{user}")

    async def create_operator(self, name: str, role: str) -> Row:
        """An operator, with their token."""
        return dict(await self.ask("create the operator", "POST", "/v1/admin/operators", {"name": name, "role": role}))

    async def change_role(self, operator: str, role: str) -> Row:
        """Gives an operator another role."""
        return dict(await self.ask("change the role", "PATCH", f"/v1/admin/operators/{operator}", {"role": role}))

    async def replace_token(self, operator: str) -> Row:
        """Gives an operator another token."""
        return dict(await self.ask("replace the token", "POST", f"/v1/admin/operators/{operator}/token"))

    async def revoke_operator(self, operator: str) -> None:
        """Ends an operator's access."""
        await self.ask("revoke the operator", "DELETE", f"/v1/admin/operators/{operator}")

    async def reconcile(self, scope: str, show: Callable[[Row], object]) -> Row:
        """Starts a comparison of all services' records and polls it to its end; ``show`` is called with each state."""
        run = dict(await self.ask("start the comparison", "POST", f"{RECONCILE}/runs", {"scope": scope}))
        while run["state"] == "running":
            show(run)
            await asyncio.sleep(POLL_S)
            run = dict(await self.ask("follow the comparison", "GET", f"{RECONCILE}/runs/{run['id']}"))
        return run

    async def repair(self) -> list[str]:
        """Sends the repairs of the open findings; a sentence for each."""
        return list((await self.ask("repair the findings", "POST", f"{RECONCILE}/repairs"))["sent"])

    async def get_costs(self, asked: dict[str, str]) -> Row:
        """What the promise costs, of the period and in the groups that are asked for."""
        return await self.read("report the costs", "/v1/admin/costs", **asked)

    async def verify_log(self, checkpoint: str | None) -> Row:
        """Has billing recompute its log and compare it with this checkpoint, or with the one it keeps in a file."""
        body = {"checkpoint": checkpoint} if checkpoint else {}
        return dict(await self.ask("verify the log", "POST", "/v1/admin/log/verify", body))

    async def log_status(self) -> Row:
        """The log: its size, its checkpoints outside the database, its verifications."""
        return dict(await self.ask("read the state of the log", "GET", "/v1/admin/log/status"))

    async def start_log_verification(self) -> Row:
        """Starts a verification of the whole log as a job."""
        return dict(await self.ask("verify the log", "POST", "/v1/admin/log/verifications"))

    async def get_dispute(self, id: str) -> Row:
        """A dispute with its evidence."""
        return dict(await self.ask("read the dispute", "GET", f"{DISPUTES}/{id}"))

    async def decide_dispute(self, id: str, decision: str, *, reason: str, credits: int | None) -> Row:
        """Refunds or declines a dispute that waits for an operator."""
        body: Row = {"decision": decision, "reason": reason} | ({"credits": credits} if credits else {})
        return dict(await self.ask("decide the dispute", "POST", f"{DISPUTES}/{id}/decision", body))

    async def return_charge(self, generation: str, credits: int | None, *, reason: str, key: str) -> Row:
        """Returns what was charged for a generation; all of it without ``credits``."""
        body = {"generation_id": generation, "credits": credits, "reason": reason}
        return await self._correct("return the charge", "/v1/admin/credits/returns", body, key)

    async def take_back(
        self, kind: str, id: str, credits: int | None, *, grant: str | None, reason: str, key: str
    ) -> Row:
        """Takes back granted credits, as many of them as are available."""
        body = {"owner": {"kind": kind, "id": id}, "grant_id": grant, "credits": credits, "reason": reason}
        return await self._correct("take back the credits", "/v1/admin/credits/take-backs", body, key)

    async def _correct(self, what: str, path: str, body: Row, key: str) -> Row:
        given = {name: value for name, value in body.items() if value is not None}
        return dict(await self.ask(what, "POST", path, given, {"Idempotency-Key": key}))
