#!/usr/bin/env bash
# playwright 1.65.2 (Python), an event handler that is a built-in method.
#
# Guess:     any callable is a handler: page.on("request", requests.append) collects the requests.
# Behaviour: AttributeError at once: it stores its wrapper as an attribute of the handler, which a built-in method cannot have. A
#            bound method of a class in Python works, and so does a lambda.
# Seen:      lambda: accepted; list.append: AttributeError
# Here:      tests-e2e/whole_system/play_page.py wraps it in a lambda.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check playwright==1.65.2
"$folder/venv/bin/python" - <<'PY'
from collections.abc import Callable

from playwright.sync_api import sync_playwright


def outcome(handler: Callable[..., object]) -> str:
    # An object with events that needs no browser.
    context = playwright.request.new_context()
    try:
        context.on("event", handler)
    except AttributeError:
        return "AttributeError"
    finally:
        context.dispose()
    return "accepted"


with sync_playwright() as playwright:
    seen: list[object] = []
    wrapped, built_in = outcome(lambda event: seen.append(event)), outcome(seen.append)
print(f"lambda: {wrapped}; list.append: {built_in}")
assert (wrapped, built_in) == ("accepted", "AttributeError"), "the behaviour has changed"
PY
