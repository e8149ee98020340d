#!/usr/bin/env bash
# pydantic 2.14.3, a length bound behind a validator function.
#
# Guess:     Field(max_length=3) on a str refuses a long text with the type string_too_long, in characters, wherever it stands.
# Behaviour: behind an AfterValidator the bound is checked by another validator: the type is too_long and the message counts
#            "items ... after validation". Whoever maps error types to sentences for people needs both.
# Seen:      without: string_too_long / String should have at most 3 characters
#            behind:  too_long / Value should have at most 3 items after validation, not 4
# Here:      the gateway words every error type itself (a test walks them).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydantic==2.14.3
"$folder/venv/bin/python" - <<'PY'
from typing import Annotated

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError


def refusal(kind: object) -> tuple[str, str]:
    try:
        TypeAdapter(kind).validate_python("abcd")
    except ValidationError as error:
        return error.errors()[0]["type"], error.errors()[0]["msg"]
    raise AssertionError("four characters were accepted")


plain = refusal(Annotated[str, Field(max_length=3)])
behind = refusal(Annotated[str, AfterValidator(str.strip), Field(max_length=3)])
print("without:", " / ".join(plain))
print("behind: ", " / ".join(behind))
assert plain == ("string_too_long", "String should have at most 3 characters"), "the behaviour has changed"
assert behind == ("too_long", "Value should have at most 3 items after validation, not 4"), "the behaviour has changed"
PY
