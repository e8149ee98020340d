"""The faults of the broker itself: its connections, its disk, its virtual host."""

import asyncio
import time

from atelier_local.api_client.client import ApiUnreachable, Client, RequestRefused
from atelier_local.errors import StackError
from atelier_local.launcher import rabbitmq
from atelier_local.launcher.environment import partitions
from chaos.site import ALL_READY_S_MAX, Site
from whole_system.broker import rabbitmqctl
from whole_system.waits import NotYet, eventually
from whole_system.world import IMAGES

GOOD_ANSWER_S_MAX = 15.0
"""After the gateway's side alone of its broker connections was cut."""


async def cut_broker(site: Site) -> str:
    """Every connection to the broker ends."""
    await asyncio.to_thread(rabbitmqctl, site.stack, "close_all_connections", "chaos")
    return "all broker connections closed"


async def cut_one_side(site: Site) -> str:
    """Closes the gateway's ends of its connections; the broker keeps its own ends open."""
    if site.link is None or site.world is None:
        raise StackError("the gateway of this stack reaches its broker by no link")
    client = await site.world.new_store(1)
    held = await site.link.cut_client_side()
    took = await first_answer(client)
    if took > GOOD_ANSWER_S_MAX:
        site.broken.append(f"the first good answer came {took:.1f} s after one side of a connection was cut")
    began = time.monotonic()
    async with asyncio.timeout(ALL_READY_S_MAX):
        await site.link.wait_until_dropped()  # until then what was on its way there waits
    return (
        f"{held} connections cut on the gateway's side alone; the first good answer came after {took:.1f} s, the "
        f"broker gave its own ends up {time.monotonic() - began:.1f} s later"
    )


async def first_answer(client: Client) -> float:
    """Seconds until a generation is admitted; it tries again until then."""
    began = time.monotonic()

    async def find_answer() -> float | NotYet:
        try:
            await client.try_on(IMAGES, simulate="outcome=succeed")
        except (RequestRefused, ApiUnreachable) as error:
            return NotYet(error)
        return time.monotonic() - began

    return await eventually(find_answer, within_s=ALL_READY_S_MAX * 4)


async def disk_alarm(site: Site) -> str:
    """The broker believes that its disk is full, and blocks publishers."""
    seconds = site.rng.uniform(1.0, 4.0)
    await asyncio.to_thread(rabbitmqctl, site.stack, "set_disk_free_limit", "900000GB")
    try:
        await asyncio.sleep(seconds)
    finally:
        await asyncio.to_thread(rabbitmqctl, site.stack, "set_disk_free_limit", "200MB")
    return f"disk alarm for {seconds:.1f} s"


async def wipe_broker(site: Site) -> str:
    """The virtual host goes, with every queue and every message in it, and comes back empty."""
    home = site.stack.profile.home / "rabbitmq"
    await asyncio.to_thread(rabbitmqctl, site.stack, "delete_vhost", "/")
    await asyncio.to_thread(rabbitmqctl, site.stack, "import_definitions", str(home / "definitions.json"))
    profile = site.stack.profile
    await rabbitmq.declare(rabbitmq.amqp_url(profile), profile, partitions(site.stack.plan))
    await site.recorder.reopen()
    site.poisoned = 0
    return "the virtual host deleted and made anew, empty"
