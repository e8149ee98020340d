"""I8, I9 and I11: delivery of the messages themselves."""

from collections.abc import Iterable

from atelier_contracts.routes import ROUTES
from atelier_messaging.dead_letters import DeadLetter, list_dead, redrive
from chaos.evidence import Evidence
from chaos.message_recorder import MessageRecorder, consumers_of
from chaos.site import Site
from whole_system.waits import becomes
from whole_system.world import World

SERVICE_OF = {queue: queue.partition(".")[0] for queue in ROUTES}


async def check_single_handling(world: World, known: Evidence) -> tuple[str, str, list[str]]:
    """The saga's log, the ledger and the inboxes: nothing happened twice for one message."""
    broken, handled = [], 0
    doubled = "SELECT message_id FROM saga_log WHERE message_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1"
    broken += [f"message {row[0]} twice in a saga's log" for row in await world.databases["session"].fetch(doubled)]
    ended = """
        SELECT generation_id, count(*) FROM saga_log WHERE outcome = 'transition'
        AND state_to IN ('rejected', 'succeeded', 'failed', 'cancelled', 'expired') GROUP BY 1 HAVING count(*) > 1
    """
    broken += [f"{row[0]} ended {row[1]} times" for row in await world.databases["session"].fetch(ended)]
    reserved = """
        SELECT p.generation_id FROM postings p JOIN holds h USING (generation_id) GROUP BY 1, h.unit_credits, h.units
        HAVING sum(p.credits) FILTER (WHERE p.kind = 'reserve') <> h.unit_credits * h.units
            OR sum(p.credits) FILTER (WHERE p.kind IN ('capture', 'refund')) > h.unit_credits * h.units
    """
    broken += [f"{row[0]} moved more than it held" for row in await world.databases["billing"].fetch(reserved)]
    for pool in world.databases.values():
        handled += await pool.fetchval("SELECT count(*) FROM inbox")
    return "I8 one effect a message", f"{handled} messages handled by four consumers", broken


async def check_arrival(
    world: World, recorder: MessageRecorder, dead_letters: dict[str, list[DeadLetter]]
) -> tuple[str, str, Iterable[str]]:
    """Every message of the bus is in the inbox of each consumer bound to it, or in a dead-letter queue."""
    inboxes = {}
    for queue, service in SERVICE_OF.items():
        rows = await world.databases[service].fetch("SELECT message_id FROM inbox WHERE consumer = $1", queue)
        inboxes[queue] = {str(row["message_id"]) for row in rows} | {dead.message_id for dead in dead_letters[queue]}
    expected = [(id_, name, queue) for id_, (name, _) in recorder.messages.items() for queue in consumers_of(name)]
    lost = [f"{name} {id_} never reached {queue}" for id_, name, queue in expected if id_ not in inboxes[queue]]
    left = [
        f"{count} messages in the outbox of {service}"
        for service, pool in world.databases.items()
        if (count := await pool.fetchval("SELECT count(*) FROM outbox"))
    ]
    checked = (
        f"{len(recorder.messages)} messages heard, {len(expected)} arrivals; {recorder.repeated} of them said again"
    )
    return "I9 every message arrives", checked, [*lost, *left]


async def read_dead_letters(world: World) -> dict[str, list[DeadLetter]]:
    url = world.stack.environment()["ATELIER_AMQP_URL"]
    return {queue: await list_dead(url, queue) for queue in ROUTES}


async def check_dead_letters(
    world: World, site: Site, dead_letters: dict[str, list[DeadLetter]], known: Evidence
) -> tuple[str, str, list[str]]:
    """Dead letters have reasons, are none but the poison that was laid, and can be sent again (and die again)."""
    letters = [letter for queue in dead_letters.values() for letter in queue]
    broken = [f"a dead letter without a reason: {letter}" for letter in letters if letter.reason in ("", "unknown")]
    broken += [
        f"{queue}: {letter.name} about {letter.subject} is dead: {letter.reason}"
        for queue, dead in dead_letters.items()
        for letter in dead
        if letter.subject in known.sagas or letter.subject in known.projected
    ]
    url = world.stack.environment()["ATELIER_AMQP_URL"]
    laid = {queue: len(dead) for queue, dead in dead_letters.items()}
    if sum(laid.values()) < site.poisoned:
        broken.append(f"{site.poisoned} poison messages were laid, {sum(laid.values())} are dead letters")
    for queue in laid:
        await redrive(url, queue)

    async def dead_counts() -> object:
        return {queue: len(await list_dead(url, queue)) for queue in laid}

    try:
        await becomes(laid, dead_counts, within_s=20)
    except TimeoutError as error:
        broken.append(f"dead letters that were sent again are neither handled nor dead: {error}")
    return "I11 the dead", f"{len(letters)} dead letters, {site.poisoned} poison messages laid, all sent again", broken
