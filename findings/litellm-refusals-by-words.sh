#!/usr/bin/env bash
# LiteLLM 1.110.2 with openai 3.57.0 and with openai 2.54.0 (it takes both), a refusal by content rules.
#
# Guess:     400 with the code content_policy_violation is litellm.ContentPolicyViolationError, as documented, whatever the call.
# Behaviour: LiteLLM looks for the code in str(error) of the openai package, which has held only the sentence since openai 3. With it
#            the same answer is ContentPolicyViolationError for an image edit, for which LiteLLM has an HTTP client of its own, and
#            BadRequestError for an image that is created (completions and embeddings likewise): `content_policy_fallbacks` of its
#            router see no refusal there.
# Seen:      openai 2.54.0: ContentPolicyViolationError ContentPolicyViolationError
#            openai 3.57.0: BadRequestError ContentPolicyViolationError
# Here:      the tests of stock clients expect both, docs/surfaces/openai.md says which call raises which.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/refused.py" <<'PY'
import io
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import litellm

REFUSAL = {
    "message": "This prompt is not allowed.",
    "type": "invalid_request_error",
    "param": "prompt",
    "code": "content_policy_violation",
}


class Refusing(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"error": REFUSAL}).encode()
        self.send_response(400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def raised(call: object, **options: object) -> str:
    try:
        call(prompt="a lake", api_base=base, api_key="k", **options)  # type: ignore[operator]
    except litellm.BadRequestError as error:
        return type(error).__name__
    raise AssertionError("nothing was raised")


litellm.suppress_debug_info = True
server = HTTPServer(("127.0.0.1", 0), Refusing)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}/v1"
picture = io.BytesIO(b"\x89PNG\r\n\x1a\n")
found = (
    raised(litellm.image_generation, model="openai/dall-e-3"),
    raised(litellm.image_edit, model="openai/gpt-image-1", image=picture),
)
print(*found)
assert found == tuple(sys.argv[1:]), "the behaviour has changed"
PY
for case in "2.54.0 ContentPolicyViolationError" "3.57.0 BadRequestError"; do
  read -r version created <<<"$case"
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install --quiet --disable-pip-version-check litellm==1.110.2 "openai==$version"
  printf 'openai %s: ' "$version"
  LITELLM_LOCAL_MODEL_COST_MAP=True "$folder/$version/bin/python" "$folder/refused.py" "$created" ContentPolicyViolationError
done
