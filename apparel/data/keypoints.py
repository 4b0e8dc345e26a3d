"""SIFT keypoints of photos, and a file for those of many photos.

SIFT's descriptors stay the same when a photo is scaled or turned, and change little when it is lit differently
(D. Lowe, "Distinctive Image Features from Scale-Invariant Keypoints", IJCV 2004); here they are RootSIFT
(R. Arandjelovic, A. Zisserman, CVPR 2012).
"""

import tempfile
import threading
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

SIDE = 192
"""Longer side, in pixels, of the reduced photo in which keypoints are looked for; at 256 they take twice as long."""

MAX_KEYPOINTS = 100
"""Keypoints of a photo, those of the strongest contrast."""

MIN_CONTRAST = 0.015
"""SIFT's threshold of contrast, less than half of OpenCV's: plain garments before a plain wall have few corners."""

PICTURE_SIDE = 64
"""Longer side, in pixels, of the small colour picture that is kept to compare two aligned photos pixel by pixel."""

MIRRORED = np.arange(128).reshape(4, 4, 8)[::-1, :, -np.arange(8) % 8].ravel()
"""Order of a descriptor's 4 x 4 cells of 8 directions, as OpenCV stores them, in the mirror image of the photo."""


class Keypoints(NamedTuple):
    """The keypoints of a photo, and the photo itself, small.

    Attributes:
        points: `(N, 2)`, x and y in pixels of the photo reduced to `SIDE`.
        descriptors: `(N, 128)` uint8, SIFT's; N is 0 to `MAX_KEYPOINTS`.
        picture: `(height, width, 3)` uint8, RGB, the longer side `PICTURE_SIDE`.
    """

    points: np.ndarray
    descriptors: np.ndarray
    picture: np.ndarray

    def mirrored(self) -> "Keypoints":
        """The keypoints of the mirror image, left and right swapped."""
        width = self.picture.shape[1] * SIDE / PICTURE_SIDE
        points = np.array([[width - 1, 0]], np.float32) + self.points * np.array([[-1, 1]], np.float32)
        return Keypoints(points, self.descriptors[:, MIRRORED], self.picture[:, ::-1])


class KeypointsFile:
    """Keypoints of many photos in a temporary file, since those of 100,000 photos take 2.5 GB; for use by threads."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with the last of the keypoints
        self._lock = threading.Lock()
        self._end = 0

    def add(self, found: Keypoints) -> "StoredKeypoints":
        """Writes the keypoints of a photo."""
        data = found.points.tobytes() + found.descriptors.tobytes() + found.picture.tobytes()
        with self._lock:
            start = self._end
            self._file.seek(start)
            self._file.write(data)
            self._end += len(data)
        return StoredKeypoints(self, start, len(found.points), found.picture.shape)

    def read(self, start: int, size: int) -> bytes:
        """The bytes from `start`."""
        with self._lock:
            self._file.seek(start)
            return self._file.read(size)


class StoredKeypoints(NamedTuple):
    """Where a photo's keypoints are in a file; `count` is how many, `shape` that of the small picture."""

    file: KeypointsFile
    start: int
    count: int
    shape: tuple[int, ...]

    def read(self) -> Keypoints:
        """The keypoints, which must not be changed."""
        points, descriptors = 8 * self.count, 128 * self.count
        data = self.file.read(self.start, points + descriptors + int(np.prod(self.shape)))
        return Keypoints(
            np.frombuffer(data, np.float32, 2 * self.count).reshape(-1, 2),
            np.frombuffer(data, np.uint8, descriptors, points).reshape(-1, 128),
            np.frombuffer(data, np.uint8, offset=points + descriptors).reshape(self.shape),
        )


def detect(photo: Image.Image) -> Keypoints:
    """Returns the keypoints of an RGB photo."""
    cv2.setNumThreads(1)  # several photos are looked at at a time; and the order of the keypoints stays the same
    # Sides that are multiples of SIDE / PICTURE_SIDE keep both reduced photos in the same proportion.
    picture = _reduced(photo, PICTURE_SIDE)
    grey = photo.convert("L").resize([side * SIDE // PICTURE_SIDE for side in picture.size], Image.Resampling.BOX)
    sift = cv2.SIFT_create(nfeatures=MAX_KEYPOINTS, contrastThreshold=MIN_CONTRAST)
    found, descriptors = sift.detectAndCompute(np.asarray(grey), None)
    if descriptors is None:
        descriptors = np.zeros((0, 128))
    points = np.array([point.pt for point in found], np.float32).reshape(-1, 2)
    return Keypoints(points, descriptors.astype(np.uint8), np.asarray(picture))  # OpenCV's values are whole, 0 to 255


def root_sift(descriptors: np.ndarray) -> np.ndarray:
    """Returns RootSIFT, `(N, 128)` float32 of length 1, of SIFT's descriptors."""
    values = descriptors.astype(np.float32)
    return np.sqrt(values / np.maximum(values.sum(axis=1, keepdims=True), 1))


def _reduced(photo: Image.Image, side: int) -> Image.Image:
    scale = side / max(photo.size)
    return photo.resize([max(1, round(length * scale)) for length in photo.size], Image.Resampling.BOX)
