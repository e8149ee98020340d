"""The text of a narration: inline in the body, as a ``data:`` URI, or an uploaded text by its key.

Its characters are the price, so it is read before anything is reserved, by the rules of stories (seed 001).
"""

import binascii
import hashlib
import re
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from atelier_gateway.container import Container
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media.input_references import RequestedInput, input_reference
from atelier_gateway.media.narration_fields import TEXT_BYTES_MAX, NarrationText
from atelier_gateway.media.store import StoredText
from atelier_gateway.surfaces.native.requests import GenerationRequest
from atelier_gateway.web.field_errors import sentence_of
from atelier_gateway.web.problems import field_problem
from atelier_storage.errors import ObjectMissing

_HEAD = re.compile(r'data:text/plain(?:;charset="?(?:utf-?8|us-ascii)"?)?;base64,', re.ASCII | re.IGNORECASE)
_SPOKEN: TypeAdapter[str] = TypeAdapter(NarrationText)


@dataclass(frozen=True, slots=True)
class Text:
    """``is_inline``: it came in the body, and is stored when the generation is created. ``stored``: the content of an
    upload when it was first used."""

    content: str
    is_inline: bool = False
    stored: StoredText | None = None

    @property
    def sha256(self) -> str:
        """In hex, of the characters that are counted."""
        return self.stored.sha256 if self.stored else hashlib.sha256(self.content.encode()).hexdigest()


async def resolve_text(container: Container, principal: Principal, body: GenerationRequest) -> Text | None:
    """None for every other kind. Raises Problem 400 naming the field."""
    if body.kind != "narration":
        return None
    texts = [input_ for input_ in body.inputs if input_.role == "text"]
    if len(texts) + (body.text is not None) + (body.prompt is not None) != 1:
        raise field_problem("text", "exactly one of text, prompt and an input of role text is required")
    if body.text is not None:
        return Text(body.text, is_inline=True)
    if not texts:
        return Text(_validate("prompt", body.prompt or ""))
    index, source = body.inputs.index(texts[0]), texts[0]
    if source.data is not None:
        return Text(
            _validate(f"inputs.{index}.data", _decode_data_uri(f"inputs.{index}.data", source.data)), is_inline=True
        )
    if source.key is None:
        raise field_problem(f"inputs.{index}.url", "a text comes as key or data, or in the field text")
    return await _read_upload(container, principal, source.to_requested_input(index))


async def _read_upload(container: Container, principal: Principal, given: RequestedInput) -> Text:
    key = input_reference(given, principal.owner, container.objects.key_of).key
    if key is None:
        raise field_problem(given.field, "There is no such upload.")
    try:
        data, known = await container.media_intake.read_uploaded_text(principal, key)
    except ObjectMissing:
        raise field_problem(given.field, "There is no such upload.") from None
    content = _validate(given.field, _decode_utf8(given.field, data))
    return Text(content, stored=known or await container.media_intake.store_text(principal, content, upload_key=key))


def _decode_data_uri(field: str, uri: str) -> str:
    head = _HEAD.match(uri[:64])
    if head is None:
        raise field_problem(field, "a data:text/plain;base64, URI is required")
    try:
        return _decode_utf8(field, binascii.a2b_base64(uri[head.end() :], strict_mode=True))
    except ValueError:
        raise field_problem(field, "the text is not valid base64") from None


def _decode_utf8(field: str, data: bytes | None) -> str:
    if data is None or len(data) > TEXT_BYTES_MAX:
        raise field_problem(field, f"the text has more than {TEXT_BYTES_MAX} bytes")
    try:
        return data.decode("utf-8-sig")  # a byte-order mark, as Windows writes it, is no character of the text
    except UnicodeDecodeError:
        raise field_problem(field, "the text is not UTF-8") from None


def _validate(field: str, text: str) -> str:
    try:
        return _SPOKEN.validate_python(text)
    except ValidationError as error:
        raise field_problem(field, sentence_of(error.errors(include_url=False)[0])) from None
