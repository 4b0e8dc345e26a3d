"""A page as a person without a network would see it, in headless Chromium."""

import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def dom(page: Path | str, profile: Path) -> str:
    """The document of a file or of an address on 127.0.0.1 once its scripts have run, as HTML.

    `profile` is a folder for the browser's own files.
    """
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip("needs Chromium: run tests/install-system-packages")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1920,1200",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--virtual-time-budget=10000",
        f"--user-data-dir={profile}",
    ]
    command = [browser, *options, "--dump-dom", page if isinstance(page, str) else page.resolve().as_uri()]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=True).stdout
