"""Run inside one package's own environment: fails when a package it must not know can be imported there.

``python deploy/checks/isolation.py atelier_session atelier_render``
"""

import importlib.util
import sys


def main(forbidden: list[str]) -> int:
    """Exit 1, with a sentence each, when any of the ``forbidden`` packages can be found."""
    within_reach = [name for name in forbidden if importlib.util.find_spec(name) is not None]
    sys.stdout.writelines(f"{name} can be imported here, and must not be\n" for name in within_reach)
    return 1 if within_reach else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
