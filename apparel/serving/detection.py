"""From the photos of a request to the JSON of its answer: decoded in threads, detected on by the model in use."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from apparel import images
from apparel.errors import UserError
from apparel.inference.photo_problems import photo_problem
from apparel.serving.limits import Limits, RefusedRequest
from apparel.serving.loaded_model import LoadedModel, PhotoDetections
from apparel.serving.request_body import UploadedPhoto, parse


class Detection:
    """Detects on the photos of requests.

    Attributes:
        waiting: photos of all requests that were taken and not answered yet.
    """

    def __init__(self, limits: Limits, threads: int):
        """Starts no thread yet.

        Args:
            limits: of the server.
            threads: that decode photos.
        """
        self.limits = limits
        self.waiting = 0
        self._decoders = ThreadPoolExecutor(threads, thread_name_prefix="photos")

    async def answer(
        self, model: LoadedModel, body: bytes, content_type: str, lowest_score: float | None
    ) -> list[dict[str, Any]]:
        """An entry of the answer for each photo of a request.

        Args:
            model: that detects.
            body: of the request.
            content_type: its header.
            lowest_score: of the detections that are wanted; None: those at or above the threshold of their class.

        Raises:
            RefusedRequest: the request is malformed, too many photos wait, or they wait too long.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.limits.answer_seconds):
                photos = await loop.run_in_executor(self._decoders, parse, body, content_type, self.limits)
                with self._take(len(photos)):
                    entries = await asyncio.gather(*(self._entry(model, photo, lowest_score) for photo in photos))
        except TimeoutError:
            reason = f"the photos waited for more than {self.limits.answer_seconds:g} seconds; try again"
            raise RefusedRequest(503, reason, retry_after=10) from None
        return list(entries)

    def close(self) -> None:
        """Ends the threads."""
        self._decoders.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def _take(self, photos: int) -> Iterator[None]:
        if self.waiting + photos > self.limits.queue:
            raise RefusedRequest(503, f"{self.waiting} photos are waiting already; try again", retry_after=2)
        self.waiting += photos
        try:
            yield
        finally:
            self.waiting -= photos

    async def _entry(self, model: LoadedModel, photo: UploadedPhoto, lowest_score: float | None) -> dict[str, Any]:
        if photo.problem is not None:
            return _problem(photo, photo.problem)
        loop = asyncio.get_running_loop()
        try:
            image, size = await loop.run_in_executor(self._decoders, self._decode, model, photo)
        except UserError as error:
            return _problem(photo, photo_problem(error, photo.name))
        detections = await asyncio.wrap_future(model.submit(image))
        listed = detection_list(detections, size, model, lowest_score)
        return {"name": photo.name, "width": size[0], "height": size[1], "detections": listed, "problem": None}

    def _decode(self, model: LoadedModel, photo: UploadedPhoto) -> tuple[np.ndarray, tuple[int, int]]:
        """The photo as the model takes it, and its width and height in pixels.

        Raises:
            UserError: it is no photo, damaged, or has too many pixels.
        """
        path = Path(photo.name)
        header = images.parse_header(photo.data, path, images.PHONE_FORMATS)
        if header.width * header.height > self.limits.pixels:
            most = f"the {self.limits.pixels:,} that a photo may have"
            raise UserError(f"{header.width} x {header.height} pixels are more than {most}")
        decoded = images.decode(photo.data, path, images.PHONE_FORMATS)
        return model.prepare(np.asarray(decoded)), decoded.size


def _problem(photo: UploadedPhoto, problem: str) -> dict[str, Any]:
    return {"name": photo.name, "width": None, "height": None, "detections": [], "problem": problem}


def detection_list(
    detections: PhotoDetections, size: tuple[int, int], model: LoadedModel, lowest_score: float | None
) -> Sequence[dict[str, Any]]:
    """Detections on a photo as values of JSON, the highest score first.

    Args:
        detections: as the network gives them.
        size: width and height of the photo in pixels.
        model: whose classes and thresholds count.
        lowest_score: 0 to 1; None: the threshold of each class.
    """
    width, height = size
    corners = detections.boxes.astype(float) * (height, width, height, width)
    listed = []
    for (ymin, xmin, ymax, xmax), number, score in zip(
        corners.tolist(), detections.classes.tolist(), detections.scores.astype(float).tolist(), strict=True
    ):
        name = model.metadata.classes[int(number)]
        threshold = model.metadata.thresholds.by_class[name]
        if score >= (threshold if lowest_score is None else lowest_score):
            box = {"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax}
            shown = score >= threshold
            listed.append({"class": name, "score": score, "box": box, "threshold": threshold, "shown": shown})
    return sorted(listed, key=lambda detection: -detection["score"])
