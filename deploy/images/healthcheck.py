"""Asks the service in this container about its health; exit 0 when it answers 200.

Standard library only: the image has no curl, and should not get one for this.
"""

import os
import sys
import urllib.error
import urllib.request

ANSWER_S_MAX = 3.0


def main(path: str) -> int:
    """``path`` is /health/live or /health/ready; the port is the one the service listens on."""
    port = int(os.environ[f"ATELIER_{os.environ['SERVICE'].upper()}_PORT"])
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=ANSWER_S_MAX) as answer:
            return 0 if answer.status == 200 else 1
    except urllib.error.HTTPError as error:
        sys.stderr.write(f"{path} answered {error.code}: {error.read(500)!r}\n")
    except OSError as error:
        sys.stderr.write(f"{path} gave no answer: {error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
