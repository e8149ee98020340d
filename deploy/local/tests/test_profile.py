"""What a profile keeps to itself, and for how long."""

import socket
import stat
from contextlib import ExitStack
from pathlib import Path

import pytest

from atelier_local.errors import StackError
from atelier_local.launcher import ports, profile


def test_ports_and_secrets_stay_as_they_were_chosen(tmp_path: Path) -> None:
    first = profile.open_profile("one", tmp_path)
    keys = first.issuer_key_file.read_text(), first.signing_keys_file.read_text()

    again = profile.open_profile("one", tmp_path)

    assert (again.ports, again.secrets) == (first.ports, first.secrets)
    assert (again.issuer_key_file.read_text(), again.signing_keys_file.read_text()) == keys


def test_two_profiles_share_no_port_and_no_secret(tmp_path: Path) -> None:
    one, two = profile.open_profile("one", tmp_path), profile.open_profile("two", tmp_path)

    assert not set(one.ports.values()) & set(two.ports.values())
    assert not set(one.secrets.values()) & set(two.secrets.values())


def test_a_port_a_stranger_took_is_exchanged_and_the_others_stay(tmp_path: Path) -> None:
    mine = profile.open_profile("one", tmp_path)
    with socket.socket() as stranger:
        # A port that the kernel gives: one of the profile's own may be anybody's by now, as nothing listens there yet.
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        mine.ports["postgres"] = stranger.getsockname()[1]
        before = dict(mine.ports)

        held = claims_closed(profile.hold_ports(mine))

    after = profile.open_profile("one", tmp_path).ports
    assert held == set(after)
    moved = {name for name in before if after[name] != before[name]}
    assert "postgres" in moved
    assert not ports.claim_ports(before[name] for name in moved - {"postgres"})
    assert len(set(after.values())) == len(after)


def claims_closed(claims: dict[str, socket.socket]) -> set[str]:
    for claim in claims.values():
        claim.close()
    return set(claims)


def test_a_stack_that_starts_holds_the_ports_of_parts_that_do_not_listen_yet(tmp_path: Path) -> None:
    first = profile.open_profile("one", tmp_path / "here")
    with ExitStack() as opened:
        for claim in profile.hold_ports(first).values():
            opened.enter_context(claim)
        # A stack of another folder: it cannot read the first one's profile.
        second = profile.open_profile("two", tmp_path / "there")
        second.ports.update(first.ports)

        for claim in profile.hold_ports(second).values():
            opened.enter_context(claim)

        assert not set(first.ports.values()) & set(second.ports.values())


def test_what_is_secret_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    mine = profile.open_profile("one", tmp_path)

    for file in (mine.home / "profile.json", mine.issuer_key_file, mine.signing_keys_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(secret in repr(mine) for secret in mine.secrets.values())


def test_other_users_of_the_machine_cannot_enter_a_profile(tmp_path: Path) -> None:
    home = tmp_path / "one"
    home.mkdir(mode=0o755)
    (home / "logs").mkdir(mode=0o755)

    mine = profile.open_profile("one", tmp_path)

    assert stat.S_IMODE(mine.home.stat().st_mode) == 0o700
    assert stat.S_IMODE(mine.logs.stat().st_mode) == 0o700


def test_secrets_are_long_and_need_no_quoting(tmp_path: Path) -> None:
    for secret in profile.open_profile("one", tmp_path).secrets.values():
        assert len(secret) >= 32
        assert secret.isalnum()


@pytest.mark.parametrize("name", ["", "../up", "Two", "tools", "check", "a b", "-x", "x" * 32])
def test_a_name_that_is_no_folder_of_ours_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="cannot name a profile"):
        profile.home_of(name, tmp_path)


def test_a_profile_of_an_older_version_gets_the_secrets_it_lacks(tmp_path: Path) -> None:
    old = profile.open_profile("one", tmp_path)
    pepper = old.secrets.pop("key_pepper")
    profile.save(old)

    new = profile.open_profile("one", tmp_path)

    assert new.secrets["key_pepper"] != pepper
    assert new.secrets["admin_token"] == old.secrets["admin_token"]


def test_a_profile_of_an_older_version_gets_the_ports_it_lacks_and_keeps_its_own(tmp_path: Path) -> None:
    old = profile.open_profile("one", tmp_path)
    port = old.ports.pop("operations")
    profile.save(old)

    again = profile.open_profile("one", tmp_path)

    assert {name: again.ports[name] for name in old.ports} == old.ports
    assert again.ports["operations"] not in old.ports.values() and port
