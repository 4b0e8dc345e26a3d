"""Times a detector on one runtime in a process of its own: `python -m apparel.inference.timing`, started by `speed`.

The process reads what to time from standard input, a line each, and answers each line with a line of JSON. So it can
wait, loaded, until it is its turn, and its threads and its memory are those of one runtime.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from apparel import images
from apparel.errors import UserError, one_line
from apparel.inference import networks
from apparel.inference.network import Network

ONE, BATCH, DECODE, WHOLE = "one", "batch", "decode", "whole"
"""What is timed: the network on one photo at a time, or on `BATCH_SIZE` at once; decoding and resizing a photo; and
all of it, from the bytes of a photo to its detections."""

MEMORY = "memory"
"""Asks for the most memory that the process has had so far, in bytes."""

PROCESSOR = "processor"
"""Asks for the seconds a photo that the processor spent on what was timed last, in all threads: waiting for other
programs is none of it, so on a busy machine it tells more than the clock."""

BATCH_SIZE = 8
"""Photos of a batch: as many as eval gives the network at once."""


def seconds_of_calls(call: Callable[[int], Any], count: int) -> list[float]:
    """Seconds of each of `count` calls, after one that is not counted; a call gets its number, from 0."""
    call(0)
    seconds = []
    for number in range(count):
        start = time.perf_counter()
        call(number)
        seconds.append(time.perf_counter() - start)
    return seconds


def peak_memory() -> int:
    """The most memory (resident set) that this process has had, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux' `ru_maxrss` of a new program starts from that of the process that started it.
        line = next(
            line for line in status.read_text(encoding="ascii", errors="replace").splitlines() if "VmHWM" in line
        )
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class Timing:
    """A network with photos to time it on."""

    def __init__(self, network: Network, encoded: list[bytes]):
        """Decodes the photos, and resizes them to the network's input."""
        self._network, self._encoded = network, encoded
        self._processor = [0.0]
        prepared = [self._prepare(number) for number in range(len(encoded))]
        self._photos = [photo[np.newaxis] for photo in prepared]
        takes_batches = network.batch_size is None
        self._batch = np.stack([prepared[n % len(prepared)] for n in range(BATCH_SIZE)]) if takes_batches else None

    def seconds_per_photo(self, what: str, calls: int) -> list[float] | None:
        """Seconds a photo of each call; None for batches where the network takes one photo at a time.

        Those of `PROCESSOR` are a mean over the calls.
        """
        if what == PROCESSOR:
            return self._processor
        if what == BATCH:
            if self._batch is None:
                return None
            batches = max(1, calls // BATCH_SIZE)
            return [seconds / BATCH_SIZE for seconds in seconds_of_calls(lambda _: self._detect(self._batch), batches)]
        call = {
            ONE: lambda number: self._detect(self._photos[number % len(self._photos)]),
            DECODE: self._prepare,
            WHOLE: lambda number: self._detect(self._prepare(number)[np.newaxis]),
        }[what]
        start = time.process_time()
        seconds = seconds_of_calls(call, calls)
        self._processor = [(time.process_time() - start) / (1 + calls)]
        return seconds

    def _detect(self, photos: np.ndarray) -> None:
        self._network.detect(photos)

    def _prepare(self, number: int) -> np.ndarray:
        encoded = self._encoded[number % len(self._encoded)]
        return self._network.prepare(np.asarray(images.decode(encoded, Path("photo"))))


def _serve(arguments: argparse.Namespace) -> None:
    # What libraries print to standard output must not end up among the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        network = networks.load(arguments.path, arguments.runtime, arguments.threads)
        timing = Timing(network, [path.read_bytes() for path in sorted(arguments.photos.iterdir())])
        _answer(answers, {"runtime": network.runtime, "detector": network.metadata.detector, **_size(network)})
        for line in sys.stdin:
            what, calls = line.split()
            value = peak_memory() if what == MEMORY else timing.seconds_per_photo(what, int(calls))
            _answer(answers, {"value": value})
    except (UserError, ImportError) as error:
        _answer(answers, {"error": one_line(error)})


def _size(network: Network) -> dict[str, int]:
    return {"height": network.metadata.height, "width": network.metadata.width}


def _answer(answers: Any, values: dict[str, Any]) -> None:
    print(json.dumps(values), file=answers, flush=True)


def main() -> None:
    """Loads the detector, and answers until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="folder of a trained model, or an exported file")
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("--runtime", help="where several can run the file")
    parser.add_argument("--threads", type=int, help="processor threads (default: all)")
    arguments = parser.parse_args()
    if arguments.threads and hasattr(os, "sched_setaffinity"):
        # Whatever the runtime makes of its number of threads, the process gets no more processor cores.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    _serve(arguments)


if __name__ == "__main__":
    main()
