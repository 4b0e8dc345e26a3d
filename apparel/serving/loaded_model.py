"""A model in the memory of the server, with the threads that detect with it on the photos that wait.

Photos that wait are detected on together, as many as wait but at most 8, so that a busy server does more a
second and an idle one lets nobody wait.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from apparel.inference.network import Network

BATCH_SIZES = (8, 4, 1)
"""Photos a call of a network that takes any number: TensorFlow takes 15 ms a photo alone, 8 in fours, 6 in eights, on 2
cores. There are few, since it needs seconds before the first batch of each size."""


class PhotoDetections(NamedTuple):
    """Detections on one photo, the highest score first; N of them.

    Attributes:
        boxes: float32 (N, 4) ymin, xmin, ymax, xmax in 0..1 of the photo's sides.
        classes: (N,), positions in the network's classes.
        scores: float32 (N,), 0 to 1.
    """

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Job:
    """A photo that waits: what gives it as the network takes it, and where its `PhotoDetections` go."""

    image: Callable[[], np.ndarray]
    future: Future


class LoadedModel:
    """A model that is ready to detect.

    Attributes:
        name: as the server shows it.
        content: the hashes of the files that it was loaded from, and of those that it could have been.
        networks: the same network, once a thread that detects.
        users: requests that use it now.
    """

    def __init__(self, name: str, content: str, networks: Sequence[Network]):
        """Runs each network once with each size of batch, since first calls are slow, then starts the threads."""
        self.name, self.content, self.networks = name, content, networks
        self.users = 0
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        for network in networks:
            _warm_up(network)
        options = {"target": self._detect, "name": "detections", "daemon": True}
        self._threads = [threading.Thread(args=(network,), **options) for network in networks]
        for thread in self._threads:
            thread.start()

    @property
    def metadata(self):
        """Classes, thresholds and size of the network's input."""
        return self.networks[0].metadata

    @property
    def is_running(self) -> bool:
        """Whether a thread still detects, or waits for photos."""
        return any(thread.is_alive() for thread in self._threads)

    def describe(self) -> dict[str, Any]:
        """Name, hash and runtime, as answers state them."""
        return {"name": self.name, "hash": self.metadata.model, "runtime": self.networks[0].runtime}

    def prepare(self, photo: np.ndarray) -> np.ndarray:
        """Resizes a photo, uint8 (H, W, 3) RGB, for the network."""
        return self.networks[0].prepare(photo)

    @property
    def decodes(self) -> bool:
        """Whether the threads that detect had better decode, too: those of a network that takes one photo a call.

        A photo then passes from thread to thread once. On a busy machine each passing can cost Python's interval of 5
        ms: the thread that holds the interpreter's lock may be one that waits for a processor.
        """
        return self.networks[0].batch_size == 1

    def submit(self, image: Callable[[], np.ndarray]) -> Future:
        """Lets a photo wait for its turn; the future gives its `PhotoDetections`.

        Args:
            image: gives the photo as `prepare` resized it; is called in the thread that detects, so that it may decode
                the photo where `decodes` is true. What it raises is what the future raises.
        """
        job = Job(image, Future())
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Ends the threads once nothing waits."""
        for _ in self.networks:
            self._jobs.put(None)

    def _detect(self, network: Network) -> None:
        while (first := self._jobs.get()) is not None:
            jobs = [first, *self._waiting((network.batch_size or BATCH_SIZES[0]) - 1)]
            jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            while jobs:
                size = _batch_size(network, len(jobs))
                _detect_batch(network, jobs[:size], size)
                jobs = jobs[size:]

    def _waiting(self, most: int) -> list[Job]:
        jobs: list[Job] = []
        try:
            while len(jobs) < most:
                if (job := self._jobs.get_nowait()) is None:
                    self._jobs.put(None)  # for whom it ends; all others came before
                    break
                jobs.append(job)
        except queue.Empty:
            pass
        return jobs


def _batch_size(network: Network, jobs: int) -> int:
    """Photos of the next call where so many wait."""
    return network.batch_size or next(size for size in BATCH_SIZES if size <= jobs)


def _warm_up(network: Network) -> None:
    metadata = network.metadata
    photo = network.prepare(np.zeros((metadata.height, metadata.width, 3), np.uint8))
    for size in BATCH_SIZES if network.batch_size is None else (network.batch_size,):
        network.detect(np.stack([photo] * size))


def _detect_batch(network: Network, jobs: list[Job], size: int) -> None:
    """Detects on the photos of jobs, filled up to `size` photos with the last one."""
    images, jobs = _images(jobs)
    if not jobs:
        return
    try:
        detections = network.detect(np.stack(images + images[-1:] * (size - len(images))))
        for row, job in enumerate(jobs):
            count = int(detections.count[row])
            arrays = (detections.boxes, detections.classes, detections.scores)
            job.future.set_result(PhotoDetections(*(array[row][:count] for array in arrays)))
    except Exception as error:  # noqa: BLE001 - whatever fails is the answer to these photos; the thread goes on
        for job in jobs:
            if not job.future.done():
                job.future.set_exception(error)


def _images(jobs: list[Job]) -> tuple[list[np.ndarray], list[Job]]:
    """The photos of jobs as the network takes them, and the jobs whose photo is to be had; the others have failed."""
    images, others = [], []
    for job in jobs:
        try:
            images.append(job.image())
            others.append(job)
        except Exception as error:  # noqa: BLE001 - as below
            job.future.set_exception(error)
    return images, others
