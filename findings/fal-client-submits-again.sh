#!/usr/bin/env bash
# fal-client 1.0.3 and an answer to `submit` that is lost.
#
# Guess:     a queue API whose SDK has no idempotency key sends an order once, and leaves it to the caller what to do when the
#            answer is lost: each order is made, and billed, by itself.
# Behaviour: the SDK repeats the POST where the connection ends before the answer, up to ten times in all, with nothing in the
#            requests by which the service could tell a repetition from another order. The caller learns the last id alone.
# Seen:      calls of submit: 1, orders received: 3, id that the caller learns: order-3
# Here:      render gives it a transport that sends each request once, and asks for what was accepted by its id.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check fal-client==1.0.3 httpx==0.28.1
"$folder/env/bin/python" - <<'PYTHON'
import asyncio
import json
import sys

import fal_client
import httpx

orders = []


def queue(request: httpx.Request) -> httpx.Response:
    """Takes every order; the answers to the first two are lost on their way back."""
    orders.append((dict(request.headers), json.loads(request.content)))
    if len(orders) < 3:
        raise httpx.ReadError("the connection ended before the answer", request=request)
    number, base = len(orders), "https://queue.fal.run/a/model/requests"
    urls = {"response_url": f"{base}/{number}", "status_url": f"{base}/{number}/status", "cancel_url": f"{base}/{number}/cancel"}
    return httpx.Response(200, json={"request_id": f"order-{number}", **urls})


class Client(fal_client.AsyncClient):
    """The SDK's client over the queue above instead of the network."""

    @property
    async def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(queue))


handle = asyncio.run(Client(key="any").submit("a/model", {"prompt": "a red bicycle"}))
volatile = {"content-length", "host", "user-agent", "accept", "accept-encoding", "connection", "content-type"}
said = [({name: value for name, value in headers.items() if name not in volatile}, body) for headers, body in orders]
print(f"calls of submit: 1, orders received: {len(orders)}, id that the caller learns: {handle.request_id}")
print("headers of the orders beside the usual ones:", [sorted(headers) for headers, _ in said])
same = len(orders) == 3 and said[0] == said[1] == said[2] and handle.request_id == "order-3"
print("as described" if same else "this has changed")
sys.exit(0 if same else 1)
PYTHON
