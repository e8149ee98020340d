"""Where Chromium is on this machine; run as a program it fails where there is none.

The set-up runs it by its path, so it uses nothing of this package.
"""

import shutil
import sys
from pathlib import Path


def find_chromium() -> str | None:
    """The program of the system, else the build that Playwright has fetched; None where there is neither."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found:
        return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        built = playwright.chromium.executable_path
    return built if Path(built).is_file() else None


if __name__ == "__main__":
    path = find_chromium()
    sys.exit(None if path else "no Chromium")
