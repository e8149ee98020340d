"""The broker users of subscribers, with the hashes of their passwords: the only part of the broker that no code or
setting makes again."""

import json
import os
from collections.abc import Mapping
from typing import Any

from atelier_local.errors import StackError
from atelier_local.operator_cli.broker_users import broker_users, user_of

PREFIX = user_of("")


def export_users(profile: str | None, amqp_url: str, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """RabbitMQ's definitions of the subscribers' users. Raises StackError where ``rabbitmqctl`` cannot be run."""
    text = broker_users(profile, amqp_url, environ).export_definitions()
    try:
        content: dict[str, Any] = json.loads(text)
    except ValueError:
        raise StackError("rabbitmqctl export_definitions printed no JSON") from None
    users = [user for user in content.get("users", []) if user["name"].startswith(PREFIX)]
    permissions = [each for each in content.get("permissions", []) if each["user"].startswith(PREFIX)]
    return {"users": users, "permissions": permissions} if users else {}


def import_users(profile: str | None, amqp_url: str, definitions: Mapping[str, Any]) -> None:
    """Makes them again, their passwords as they were. Raises StackError."""
    if definitions:
        users = broker_users(profile, amqp_url)
        moved = [{**each, "vhost": users.vhost} for each in definitions["permissions"]]
        users.import_definitions(json.dumps({**definitions, "permissions": moved}))
