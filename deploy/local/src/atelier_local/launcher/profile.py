"""A profile is one stack on this machine: its folder under ``.run``, its ports, its secrets. Created once and kept."""

import base64
import fcntl
import json
import os
import re
import secrets
import shlex
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atelier_local.errors import StackError
from atelier_local.launcher.ports import choose_ports, claim_ports
from atelier_local.server_versions.releases import NAMES
from atelier_storage.embedded_server import PORTS as OBJECTSTORE_PORTS

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

REPOSITORY = Path(__file__).resolve().parents[5]
SERVICES = ("gateway", "session", "billing", "render")
PORT_NAMES = (
    "rabbitmq", "epmd", "erlang", "postgres",
    *("objectstore" if name == "s3" else f"objectstore_{name}" for name in OBJECTSTORE_PORTS),
    "traces", "traces_grpc", *SERVICES, "operations",
)  # fmt: skip
SECRET_NAMES = (
    "installation", "amqp_password", "postgres_password", "s3_access_key", "s3_secret_key",
    "s3_upload_access_key", "s3_upload_secret_key",
    "admin_token", "service_token", "key_pepper",
    *(f"{service}_{role}_password" for service in SERVICES for role in ("owner", "app")),
    *(f"amqp_{service}_password" for service in SERVICES),
)  # fmt: skip
CLUSTER = "cluster"
"""A profile of this name, or whose name begins with it and a hyphen, has a cluster of broker nodes."""
CLUSTER_NODES = ("rabbitmq", "rabbitmq-2", "rabbitmq-3")
LINKED_CLUSTER = "cluster-links"
"""A profile of this name, or whose name begins with it and a hyphen, has a cluster whose nodes can be isolated: each
has its way to the others through a process of its own, ``links-NODE``."""
STANDBY = "standby"
"""A profile of this name, or whose name begins with it and a hyphen, has a second Postgres that follows the first."""
RESERVED = {"tools", "check", "bench-builds", "bench-results"}
"""Folders under .run that are no profiles."""


@dataclass(frozen=True)
class Profile:
    """Where one stack lives and what it calls its own."""

    name: str
    home: Path
    ports: dict[str, int]
    secrets: dict[str, str] = field(repr=False)
    servers: dict[str, str] = field(default_factory=dict)
    """Chosen versions of ``rabbitmq`` and ``postgres``; what is not in it is the machine's own."""

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def env_file(self) -> Path:
        return self.home / "env"

    @property
    def issuer_key_file(self) -> Path:
        return self.home / "dev-issuer.pem"

    @property
    def brokers(self) -> tuple[str, ...]:
        """The parts that are broker nodes."""
        return brokers_of(self.name)

    @property
    def has_links(self) -> bool:
        """Whether each broker node has its way to the others through a process of its own."""
        return _is_kind(self.name, LINKED_CLUSTER)

    @property
    def databases(self) -> tuple[str, ...]:
        """The parts that are Postgres servers."""
        return databases_of(self.name)

    @property
    def provenance_file(self) -> Path:
        """The certificate and key that outputs are signed with; render makes it."""
        return self.home / "provenance.pem"

    @property
    def signing_keys_file(self) -> Path:
        """The key that billing signs receipts and its log with, then those that signed before it."""
        return self.home / "signing-keys.pem"

    @property
    def log_origin(self) -> str:
        """The name of its transparency log; that of another installation where a backup of it was restored here."""
        return self.secrets.get("log_origin", f"localhost/atelier/{self.name}")

    @property
    def mark(self) -> str:
        """What each process of this stack carries in its environment."""
        return str(self.home)


def brokers_of(name: str) -> tuple[str, ...]:
    """One node, or those of a cluster, by the profile's name."""
    return CLUSTER_NODES if _is_kind(name, CLUSTER) else CLUSTER_NODES[:1]


def databases_of(name: str) -> tuple[str, ...]:
    """One server, or a primary and its standby, by the profile's name."""
    return ("postgres", "postgres-2") if _is_kind(name, STANDBY) else ("postgres",)


def _is_kind(name: str, kind: str) -> bool:
    return name == kind or name.startswith(f"{kind}-")


def run_dir() -> Path:
    """``ATELIER_RUN_DIR``, else ``.run`` in the repository."""
    folder = os.environ.get("ATELIER_RUN_DIR")
    return Path(folder).resolve() if folder else REPOSITORY / ".run"


def home_of(name: str, root: Path | None = None) -> Path:
    """The folder of a profile, whether or not it exists."""
    if name in RESERVED or not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
        raise StackError(
            f"{name!r} cannot name a profile: use up to 31 of a-z, 0-9 and -, and not {' or '.join(sorted(RESERVED))}"
        )
    return (root or run_dir()).resolve() / name


def read_settings(env_file: Path) -> dict[str, str]:
    """What an env file says."""
    words = shlex.split(env_file.read_text(), comments=True)
    return dict(word.split("=", 1) for word in words if "=" in word)


def open_profile(name: str, root: Path | None = None, servers: Mapping[str, str] = {}) -> Profile:
    """The profile of that name, created if it does not exist, on servers of these versions. Raises StackError where it
    has data of others: no server reads those of another version."""
    home = home_of(name, root)
    make_private(home)
    make_private(home / "logs")
    known = _read(home)
    had = known.get("servers", {})
    if known and any(had.get(server, "") != version for server, version in servers.items()):
        raise StackError(
            f"the profile {name} was made with {_versions(had)}; for {_versions(servers)} clean it first, "
            "or give another PROFILE"
        )
    profile = Profile(
        name=name,
        home=home,
        ports=_with_missing_ports(known.get("ports", {}), _ports_of_others(home), _port_names(name)),
        secrets={**{name: _secret() for name in SECRET_NAMES}, **known.get("secrets", {})},
        servers=had if known else dict(servers),
    )
    save(profile)
    if not profile.issuer_key_file.exists():
        write_private(profile.issuer_key_file, _new_issuer_key())
    if not profile.signing_keys_file.exists():
        write_private(profile.signing_keys_file, _new_signing_key())
    return profile


def hold_ports(profile: Profile) -> dict[str, socket.socket]:
    """For a stack that is down: claims the port of each part, and gives another to each whose own a stranger holds.
    The claims last until their sockets are closed in every process that has them open."""
    claims = claim_ports(profile.ports.values())
    held = {name: claims[port] for name, port in profile.ports.items() if port in claims}
    while missing := [name for name in profile.ports if name not in held]:
        profile.ports.update(choose_ports(missing, _ports_of_others(profile.home) | set(profile.ports.values())))
        claims = claim_ports(profile.ports[name] for name in missing)
        held |= {name: claims[profile.ports[name]] for name in missing if profile.ports[name] in claims}
    save(profile)
    return held


def save(profile: Profile) -> None:
    """Saves ports, secrets and versions, readable by the owner alone."""
    content = json.dumps({"ports": profile.ports, "secrets": profile.secrets, "servers": profile.servers}, indent=1)
    write_private(profile.home / "profile.json", content)


def ports_of_all(root: Path) -> set[int]:
    """Every port that a profile under this folder calls its own."""
    return {port for home in _homes(root) for port in _read(home).get("ports", {}).values()}


def write_private(path: Path, content: str) -> None:
    """Writes a whole file at once, readable by its owner alone from its first moment."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "w") as file:
        file.write(content)
    Path(name).replace(path)


def make_private(folder: Path) -> None:
    """Makes a folder that other users of the machine cannot enter, or closes one that they could: it holds artefacts
    and logs."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


@contextmanager
def profile_lock(home: Path) -> Iterator[None]:
    """One ``up`` or ``down`` at a time; the next waits."""
    make_private(home)
    with (home / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _versions(servers: Mapping[str, str]) -> str:
    chosen = [f"{NAMES[server]} {version}" for server, version in sorted(servers.items())]
    return " and ".join(chosen) or "the machine's own servers"


def _homes(root: Path) -> Iterable[Path]:
    return (file.parent for file in root.glob("*/profile.json"))


def _read(home: Path) -> dict[str, dict[str, Any]]:
    try:
        content: dict[str, dict[str, Any]] = json.loads((home / "profile.json").read_text())
    except FileNotFoundError:
        return {}
    return content


def _ports_of_others(home: Path) -> set[int]:
    return {port for other in _homes(home.parent) if other != home for port in _read(other).get("ports", {}).values()}


def _port_names(profile: str) -> tuple[str, ...]:
    further = brokers_of(profile)[1:]
    erlang = (f"erlang{node.removeprefix('rabbitmq')}" for node in further)
    linked = CLUSTER_NODES if _is_kind(profile, LINKED_CLUSTER) else ()
    links = (f"{kind}-{node}" for node in linked for kind in ("front", "inbound"))
    return (*PORT_NAMES, *further, *erlang, *links, *databases_of(profile)[1:])


def _with_missing_ports(known: dict[str, int], taken: set[int], names: Iterable[str]) -> dict[str, int]:
    """A profile of an older version keeps its ports and gets those it lacks."""
    missing = [name for name in names if name not in known]
    return known | choose_ports(missing, taken | set(known.values()))


def _secret() -> str:
    """128 bits and more, of letters and digits only: it goes into URLs."""
    return base64.b32encode(secrets.token_bytes(20)).decode().lower()


def _new_issuer_key() -> str:
    from cryptography.hazmat.primitives.asymmetric import ec

    return _private_pem(ec.generate_private_key(ec.SECP256R1()))


def _new_signing_key() -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return _private_pem(Ed25519PrivateKey.generate())


def _private_pem(key: "EllipticCurvePrivateKey | Ed25519PrivateKey") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
