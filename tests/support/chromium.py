"""A page as a person without a network would see it, in headless Chromium."""

import asyncio
import shutil
import subprocess
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
HANG = 600
"""Seconds; a busy machine may need minutes to draw a page that loads a lot."""


def dom(page: Path, profile: Path, fragment: str = "") -> str:
    """The document of a file once its scripts have run, as HTML.

    `profile` is a folder for the browser's own files, `fragment` the end of the address, from `#` on.
    """
    address = page.resolve().as_uri() + fragment
    dump = [*command(profile), "--virtual-time-budget=10000", "--dump-dom", address]
    return subprocess.run(dump, capture_output=True, text=True, encoding="utf-8", timeout=HANG, check=True).stdout


def wait_for(texts: Sequence[str], address: str, profile: Path, script: str = "") -> str:
    """The document at an address on 127.0.0.1 once all the texts are in it, however long its server takes.

    `script` is JavaScript that runs in the page before each look at it, such as one that scrolls down.
    """
    return asyncio.run(_wait_for(texts, address, command(profile), script))


def command(profile: Path) -> list[str]:
    """The command of a browser that reaches this machine alone; skips the test where there is none."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip("needs Chromium: run tests/install-system-packages")
    return [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1920,1200",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={profile}",
    ]


async def _wait_for(texts: Sequence[str], address: str, browser: list[str], script: str) -> str:
    missing, options = texts, {"stdout": DEVNULL, "stderr": PIPE}
    process = await asyncio.create_subprocess_exec(*browser, "--remote-debugging-port=0", address, **options)
    try:
        async with (
            asyncio.timeout(HANG),
            aiohttp.ClientSession() as session,
            session.ws_connect(await first_tab(process, session), max_msg_size=0) as devtools,
        ):
            while missing:
                document = await _document(devtools, script)
                missing = [text for text in texts if text not in document]
                await asyncio.sleep(0.2)
            return document
    except TimeoutError:
        raise AssertionError(f"{address} never shows {missing}") from None
    finally:
        process.terminate()
        await process.communicate()


async def first_tab(process: Process, session: aiohttp.ClientSession) -> str:
    """Where the DevTools protocol is spoken with the page, which is open once the browser says where it listens."""
    while not (line := await process.stderr.readline()).startswith(b"DevTools listening on ws://"):
        assert line, "the browser has ended"
    listed = await session.get(f"http://{line.decode().split('/')[2]}/json/list")
    return next(tab["webSocketDebuggerUrl"] for tab in await listed.json() if tab["type"] == "page")


async def _document(devtools: aiohttp.ClientWebSocketResponse, script: str) -> str:
    """The page as HTML, as it is after the script; empty while it has none."""
    expression = {"expression": f"{script}; document.documentElement?.outerHTML"}
    await devtools.send_json({"id": 1, "method": "Runtime.evaluate", "params": expression})
    answer = await devtools.receive_json()
    return answer["result"]["result"].get("value", "")
