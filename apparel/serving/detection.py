"""From the photos of a request to the JSON of its answer: decoded in threads, detected on by the model in use."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from apparel import images
from apparel.errors import UserError
from apparel.inference.photo_problems import photo_problem
from apparel.serving.limits import Limits, RefusedRequest
from apparel.serving.loaded_model import LoadedModel, PhotoDetections
from apparel.serving.request_body import UploadedPhoto, parse

SMALL_BODY = 2**18
"""Bytes of a body that is parsed at once, which takes a millisecond; larger ones are parsed in a thread."""


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
                if len(body) <= SMALL_BODY:
                    photos = parse(body, content_type, self.limits)
                else:
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
        decoding = Decoding(model, photo, self.limits.pixels)
        try:
            if not model.decodes:
                await asyncio.get_running_loop().run_in_executor(self._decoders, decoding.image)
            detections = await asyncio.wrap_future(model.submit(decoding.image))
        except UnreadablePhoto as error:
            return _problem(photo, str(error))
        width, height = decoding.size
        listed = detection_list(detections, decoding.size, model, lowest_score)
        return {"name": photo.name, "width": width, "height": height, "detections": listed, "problem": None}


class UnreadablePhoto(UserError):
    """What was sent is no photo, damaged, or has too many pixels."""


class Decoding:
    """A photo that is decoded once, in whichever thread asks for it first.

    Attributes:
        size: its width and height in pixels, once it is decoded.
    """

    def __init__(self, model: LoadedModel, photo: UploadedPhoto, most_pixels: int):
        """Decodes nothing yet."""
        self._model, self._photo, self._most_pixels = model, photo, most_pixels
        self._image: np.ndarray | None = None
        self.size = (0, 0)

    def image(self) -> np.ndarray:
        """The photo as the model takes it.

        Raises:
            UnreadablePhoto: it cannot be had; says why.
        """
        if self._image is None:
            try:
                decoded = self._decode()
            except UserError as error:
                raise UnreadablePhoto(photo_problem(error, self._photo.name)) from None
            self._image, self.size = self._model.prepare(np.asarray(decoded)), decoded.size
        return self._image

    def _decode(self) -> Image.Image:
        photo, path = self._photo, Path(self._photo.name)
        header = images.parse_header(photo.data, path, images.PHONE_FORMATS)
        if header.width * header.height > self._most_pixels:
            most = f"the {self._most_pixels:,} that a photo may have"
            raise UserError(f"{header.width} x {header.height} pixels are more than {most}")
        return images.decode(photo.data, path, images.PHONE_FORMATS)


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
