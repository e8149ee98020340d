"""The closed loop for Celery, which has no HTTP: publishes chains, and asks the database every few milliseconds which
of those in flight are captured. ``celery_load.py IN_FLIGHT GENERATIONS`` prints seconds as JSON."""

import json
import os
import sys
import time
from uuid import uuid4

import psycopg
from celery_app import capture, finish, hold
from ledger import ACCOUNTS, IS_CAPTURED

LOOK_EVERY_S = 0.004
RUN_S_MAX = 150.0


def main(in_flight: int, generations: int) -> None:
    numbers = iter(range(generations))
    waiting: dict[str, float] = {}
    journeys: list[float] = []
    with psycopg.connect(os.environ["PEERS_DATABASE_URL"], autocommit=True) as connection:
        began = time.perf_counter()
        while len(journeys) < generations:
            for number in numbers if len(waiting) < in_flight else ():
                id = str(uuid4())
                waiting[id] = time.perf_counter()
                (hold.si(id, number % ACCOUNTS) | finish.si(id) | capture.si(id)).apply_async()
                if len(waiting) == in_flight:
                    break
            rows = connection.execute(IS_CAPTURED.format(id="%s::uuid[]"), [list(waiting)], prepare=True).fetchall()
            journeys += [time.perf_counter() - waiting.pop(id) for (id,) in rows]
            time.sleep(LOOK_EVERY_S)
            if time.perf_counter() - began > RUN_S_MAX:
                sys.exit(f"{len(journeys)} of {generations} generations were captured after {RUN_S_MAX:.0f} s")
        took = time.perf_counter() - began
    sys.stdout.write(json.dumps({"took_s": took, "journeys_s": journeys}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
