"""The local stack is for this machine alone."""

import ipaddress

from atelier_local.launcher.processes import find_marked, tcp_addresses
from atelier_local.launcher.stack import Stack
from whole_system.world import World


async def test_no_part_of_a_running_stack_listens_outside_loopback(world: World, stack: Stack) -> None:
    addresses = tcp_addresses(find_marked(str(stack.home)))

    assert f"127.0.0.1:{stack.profile.ports['gateway']}" in addresses
    assert [at for at in addresses if not ipaddress.ip_address(at.rpartition(":")[0]).is_loopback] == []
