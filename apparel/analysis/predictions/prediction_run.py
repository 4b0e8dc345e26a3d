"""Detections on any number of photos: read, decoded and detected on in threads, written in the order of the photos.

The libraries that decode and the runtimes of networks let other threads work meanwhile, so both overlap with writing.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from PIL import Image

from apparel import images
from apparel.analysis.predictions.photo_sources import SourcePhoto
from apparel.analysis.predictions.run_tables import RunTables, table_name
from apparel.errors import UserError, one_line
from apparel.inference.network import Network
from apparel.inference.photo_problems import photo_problem
from apparel.inference.writer import Writer, WrittenDetection
from apparel.models.detections import Detections
from apparel.models.metadata import Metadata

AHEAD = 2
"""Batches a network that are read or detected on before they can be written; bounds the memory."""

BATCH_SIZE = 8
"""Photos a call of TensorFlow, which then is 1.4 to 1.9 times as fast as one by one; other runtimes take one each."""

DECIMALS = 6
"""Decimals of scores, and three fewer of corners in pixels: finer than any two runtimes, or sizes of a batch, agree."""


@dataclass(frozen=True)
class DecodedPhoto:
    """A photo as the network takes it, float32 (height, width, 3), and upright in its own size; or a problem."""

    image: np.ndarray | None = None
    photo: Image.Image | None = None
    size: tuple[int, int] = (0, 0)
    problem: str = ""


@dataclass(frozen=True)
class DetectedPhoto:
    """A photo with the detections to write, the highest score first."""

    name: str
    decoded: DecodedPhoto
    detections: Sequence[WrittenDetection] = ()


Decoding = tuple[str, "Future[DecodedPhoto]"]


def detect_all(
    photos: Iterable[SourcePhoto],
    networks: Sequence[Network],
    tables: RunTables,
    writers: Sequence[Writer],
    lowest_score: float | None,
    progress: Callable[[], object],
) -> None:
    """Detects on the photos that `tables` lacks, and writes what was detected.

    Args:
        photos: in the order in which they are written.
        networks: of one model; each works in a thread of its own.
        tables: with the photos of a run that was interrupted, or none.
        writers: further outputs.
        lowest_score: lowest score of a detection to write; None: the threshold of its class.
        progress: called after each photo.

    Raises:
        UserError: `tables` has other photos, or in another order.
    """
    for detected in detect(not_written(photos, tables, progress), networks, lowest_score, bool(writers)):
        write(detected, tables, writers)
        progress()


def detect(
    photos: Iterable[SourcePhoto], networks: Sequence[Network], lowest_score: float | None, keep_photos: bool
) -> Iterator[DetectedPhoto]:
    """The photos with their detections, in the same order; for the arguments see `detect_all`.

    `keep_photos` is whether the results have the photos themselves.
    """
    free: SimpleQueue[Network] = SimpleQueue()
    for network in networks:
        free.put(network)

    def detect_decoded(batch: Sequence[Decoding]) -> list[DetectedPhoto]:
        decoded = [(name, future.result()) for name, future in batch]
        network = free.get()
        try:
            return detect_batch(network, decoded, lowest_score)
        finally:
            free.put(network)

    size = batch_size(networks[0])
    running: deque[Future[list[DetectedPhoto]]] = deque()
    decoders, detectors = ThreadPoolExecutor(os.cpu_count()), ThreadPoolExecutor(len(networks))
    try:
        batch: list[Decoding] = []
        for photo in photos:
            read = _read_now(photo) if photo.at_once else photo.read
            decoding = decoders.submit(decode, networks[0], photo.name, read, keep_photos)
            batch.append((table_name(photo.name), decoding))
            if len(batch) == size:
                running.append(detectors.submit(detect_decoded, batch))
                batch = []
            if len(running) > AHEAD * len(networks):
                yield from running.popleft().result()
        running.append(detectors.submit(detect_decoded, batch))
        while running:
            yield from running.popleft().result()
    finally:
        decoders.shutdown(cancel_futures=True)
        detectors.shutdown(cancel_futures=True)


def batch_size(network: Network) -> int:
    """Photos that a call of this network gets."""
    return network.batch_size or (BATCH_SIZE if network.runtime == "TensorFlow" else 1)


def decode(network: Network, name: str, read: Callable[[], bytes], keep_photo: bool) -> DecodedPhoto:
    """Reads a photo, turns it upright and resizes it for a network.

    Args:
        network: the trained detector.
        name: of the photo, for errors.
        read: returns the file's bytes.
        keep_photo: whether the result has the photo itself.
    """
    try:
        if not (data := read()):
            return DecodedPhoto(problem="is empty")
        photo = images.decode(data, Path(name), images.PHONE_FORMATS)
        image = network.prepare(np.asarray(photo))
    except (UserError, OSError, MemoryError, ValueError) as error:  # a zero byte in a path is a ValueError
        return DecodedPhoto(problem=photo_problem(error, name))
    return DecodedPhoto(image, photo if keep_photo else None, photo.size)


def detect_batch(
    network: Network, batch: Sequence[tuple[str, DecodedPhoto]], lowest_score: float | None
) -> list[DetectedPhoto]:
    """Detects garments on photos.

    Args:
        network: the trained detector.
        batch: at most `batch_size(network)` photos, with their names.
        lowest_score: as for `detect_all`.
    """
    images_of_batch = [decoded.image for _, decoded in batch if decoded.image is not None]
    if images_of_batch:
        # TensorFlow traces each size of a batch anew, so a smaller one is filled up.
        filled = images_of_batch + [np.zeros_like(images_of_batch[0])] * (batch_size(network) - len(images_of_batch))
        detections = network.detect(np.stack(filled))
    detected, row = [], 0
    for name, decoded in batch:
        if decoded.image is None:
            detected.append(DetectedPhoto(name, decoded))
            continue
        written = _written(detections, row, decoded.size, network.metadata, lowest_score)
        detected.append(DetectedPhoto(name, replace(decoded, image=None), written))
        row += 1
    return detected


def _written(
    detections: Detections, row: int, size: tuple[int, int], metadata: Metadata, lowest_score: float | None
) -> list[WrittenDetection]:
    """The detections to write of one photo of a batch, without pandas, which takes half as long as a fast network."""
    width, height = size
    count = int(detections.count[row])
    written = []
    for position in np.argsort(-detections.scores[row][:count], kind="stable"):
        name = metadata.classes[int(detections.classes[row][position])]
        score, threshold = float(detections.scores[row][position]), metadata.thresholds.by_class[name]
        if score < (threshold if lowest_score is None else lowest_score):
            continue
        ymin, xmin, ymax, xmax = map(float, detections.boxes[row][position])
        corners = (xmin * width, ymin * height, xmax * width, ymax * height)
        rounded = (round(corner, DECIMALS - 3) for corner in corners)
        written.append(WrittenDetection(name, round(score, DECIMALS), *rounded, threshold))
    return written


def not_written(
    photos: Iterable[SourcePhoto], tables: RunTables, progress: Callable[[], object]
) -> Iterator[SourcePhoto]:
    """The photos after those that are written already."""
    written = tables.names()
    going_on = True
    for photo in photos:
        going_on = going_on and written.skip(table_name(photo.name))
        if going_on:
            progress()
        else:
            yield photo
    if going_on:
        written.check_all_seen()


def _read_now(photo: SourcePhoto) -> Callable[[], bytes]:
    """A function that returns the photo's bytes, which are read here."""
    try:
        data = photo.read()
    except Exception as error:  # noqa: BLE001 - damaged archives raise nearly anything
        reason = str(error) if isinstance(error, UserError) else f"cannot be read: {one_line(error)}"

        def refuse() -> bytes:
            raise UserError(reason)

        return refuse
    return lambda: data


def write(detected: DetectedPhoto, tables: RunTables, writers: Sequence[Writer]) -> None:
    """Writes a photo to the tables and the further outputs."""
    if detected.decoded.problem:
        tables.write_problem(detected.name, detected.decoded.problem)
        return
    for writer in writers:
        writer.write(detected.name, detected.decoded.photo, detected.detections)
    tables.write_photo(detected.name, detected.decoded.size, detected.detections)
