"""A tab of headless Chromium that a test uses as a person would: files, keys, and what is to be seen."""

import asyncio
import base64
import json
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.support import chromium

KEYS = {"Tab": 9, "Enter": 13, " ": 32, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
"""Windows' code of each key that tests press."""


class Tab:
    """A tab, by the DevTools protocol.

    Attributes:
        events: what the browser told while it answered: requests, console messages and errors.
    """

    def __init__(self, wait: Callable[[Any], Any], devtools: aiohttp.ClientWebSocketResponse):
        self._wait, self._devtools, self._number = wait, devtools, 0
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command of the protocol."""
        return self._wait(self._call(method, params))

    async def _call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        await self._devtools.send_json({"id": self._number, "method": method, "params": params})
        async with asyncio.timeout(chromium.HANG):
            while (answer := await self._devtools.receive_json()).get("id") != self._number:
                self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, address: str, width: int = 1400, height: int = 1000, dark: bool = False) -> None:
        """Loads a page in a window of a size, in light or dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete'")

    def js(self, expression: str) -> Any:
        """The value of an expression, awaited if it is a promise."""
        options = {"returnByValue": True, "awaitPromise": True, "userGesture": True}
        answer = self.call("Runtime.evaluate", expression=expression, **options)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """The value of an expression once it is true, and what the page draws with its next frame is drawn."""
        value = self._wait(self._wait_for(expression))
        self.js("new Promise(drawn => requestAnimationFrame(() => drawn()))")
        return value

    async def _wait_for(self, expression: str) -> Any:
        async with asyncio.timeout(chromium.HANG):
            while True:
                params = {"expression": expression, "returnByValue": True}
                value = (await self._call("Runtime.evaluate", params))["result"].get("value")
                if value:
                    return value
                await asyncio.sleep(0.05)

    def choose(self, selector: str, files: Sequence[Path]) -> None:
        """Chooses files as in the dialog of a file input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def press(self, key: str) -> None:
        """Presses and releases a key."""
        event = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key]}
        text = {" ": {"text": " "}, "Enter": {"text": "\r"}}.get(key, {})
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **event, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def requests(self, ending: str) -> int:
        """How many requests the page has made so far to addresses with this text."""
        self.js("1")  # what was told meanwhile comes before the answer
        sent = [event["params"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return sum(ending in event["request"]["url"] for event in sent)

    def complaints(self) -> list[str]:
        """Errors of scripts, and what the browser refused to load or run."""
        self.js("1")
        thrown = [json.dumps(event["params"]) for event in self.events if event["method"] == "Runtime.exceptionThrown"]
        entries = [event["params"]["entry"] for event in self.events if event["method"] == "Log.entryAdded"]
        return thrown + [entry["text"] for entry in entries if entry["source"] in ("security", "javascript")]

    def screenshot(self, file: Path) -> None:
        """Writes a PNG of the window."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def opened(profile: Path, *options: str) -> Iterator[Tab]:
    """A tab of a browser of its own, with further command-line options; `profile` is a folder for its files."""
    loop = asyncio.new_event_loop()
    session, process = loop.run_until_complete(_start([*chromium.command(profile), *options]))
    try:
        address = loop.run_until_complete(chromium.first_tab(process, session))
        devtools = loop.run_until_complete(session.ws_connect(address, max_msg_size=0))
        yield Tab(loop.run_until_complete, devtools)
    finally:
        loop.run_until_complete(_end(session, process))
        loop.close()


async def _start(command: list[str]) -> tuple[aiohttp.ClientSession, asyncio.subprocess.Process]:
    options = {"stdout": DEVNULL, "stderr": PIPE}
    process = await asyncio.create_subprocess_exec(*command, "--remote-debugging-port=0", "about:blank", **options)
    return aiohttp.ClientSession(), process


async def _end(session: aiohttp.ClientSession, process: asyncio.subprocess.Process) -> None:
    process.terminate()
    await process.communicate()
    await session.close()
