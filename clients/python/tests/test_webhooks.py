"""Tests of the webhook verification."""

import base64
import hmac

import pytest

from atelier_client import WebhookVerificationError, verify_webhook

SECRET = "whsec_" + base64.b64encode(b"twenty-four bytes, or so").decode()
OTHER = "whsec_" + base64.b64encode(b"another one, just as long").decode()
BODY = b'{"type":"generation.succeeded","timestamp":"2026-01-01T12:00:00+00:00","data":{"id":"1"}}'
NOW = 1_767_268_800


def signed(secret: str = SECRET, body: bytes = BODY, at: int = NOW) -> dict[str, str]:
    """The headers of a delivery."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"msg_1.{at}.".encode() + body, "sha256")
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def test_a_signed_body_is_what_the_service_sent() -> None:
    event = verify_webhook(SECRET, signed(), BODY, now_s=NOW + 299)

    assert (event["type"], event["data"]["id"]) == ("generation.succeeded", "1")


def test_after_a_rotation_either_of_two_signatures_is_enough() -> None:
    headers = signed()
    headers["Webhook-Signature"] = f"{signed(OTHER)['Webhook-Signature']} {headers['Webhook-Signature']}"

    assert verify_webhook(SECRET, headers, BODY, now_s=NOW)["type"] == "generation.succeeded"


@pytest.mark.parametrize(
    "headers",
    [
        signed(OTHER),
        signed(body=BODY + b" "),
        signed(at=NOW - 301),
        signed(at=NOW + 301),
        signed() | {"Webhook-Id": "msg_2"},
        signed() | {"Webhook-Timestamp": "yesterday"},
        signed() | {"Webhook-Timestamp": "9" * 5_000},
        signed() | {"Webhook-Signature": "v1,é v2,"},
        {},
    ],
    ids=["secret", "body", "old", "future", "id", "no-time", "long-time", "no-signature", "nothing"],
)
def test_what_cannot_be_proved_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(WebhookVerificationError):
        verify_webhook(SECRET, headers, BODY, now_s=NOW)


def test_a_secret_that_is_none_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="base64"):
        verify_webhook("whsec_!", signed(), BODY, now_s=NOW)
