"""Whether an interpreter was built with profile-guided optimisation, which makes it a tenth to a third faster.

``bootstrap.sh`` runs this file with each interpreter it finds: only the standard library, and syntax of any version.
"""

import sys
import sysconfig

OLDEST = (3, 11)
OPTIMISED, PLAIN, TOO_OLD = 0, 3, 4
"""What this file ends with as a program."""


def is_optimised() -> bool:
    """Debian's and Ubuntu's builds are, though their configuration does not say so: they are known by their own
    installation scheme."""
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    flags = sysconfig.get_config_var("PY_CORE_CFLAGS") or ""
    schemes = sysconfig.get_scheme_names()
    return "--enable-optimizations" in arguments or "-fprofile-use" in flags or "deb_system" in schemes


if __name__ == "__main__":
    sys.exit(TOO_OLD if sys.version_info < OLDEST else OPTIMISED if is_optimised() else PLAIN)
