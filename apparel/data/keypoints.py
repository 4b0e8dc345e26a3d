"""SIFT keypoints of photos: which photos may show the same picture, mirrored, turned, cropped or padded.

SIFT's descriptors stay the same when a photo is scaled or turned, and change little when it is lit differently
(D. Lowe, "Distinctive Image Features from Scale-Invariant Keypoints", IJCV 2004); here they are RootSIFT
(R. Arandjelovic, A. Zisserman, CVPR 2012). A photo is summarised as one vector, the sum of its descriptors' random
Fourier features (A. Rahimi, B. Recht, NIPS 2007; L. Bo, C. Sminchisescu, "Efficient Match Kernel", NIPS 2009): the
product of two such vectors grows with the number of descriptors that the photos share. Compared with visual words,
nothing has to be learned from the photos first, so that a further photo does not change what is found among the others.
"""

from collections.abc import Sequence
from itertools import pairwise
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

DIMENSIONS = 1024
"""Random Fourier features; the noise of a product of two summaries is about `DIMENSIONS ** -0.5`, 0.03."""

SHARPNESS = 14.0
"""Of the Gaussian kernel exp(-SHARPNESS d²) of two descriptors' distance d (0 to 1.4): the same corner in two copies
has d of about 0.3, others 0.8 and more. 4 and 8 left copies and other photos closer together."""

MIN_SIMILARITY = 0.17
"""Product of two summaries, -1 to 1, from which photos are compared more closely. Measured on product photos: half of
all pairs have less than 0.05, 99% less than 0.14; 19 of 20 copies that are cropped by 10% at each edge 0.28 or more."""

MAX_CANDIDATES = 20
"""Photos that each photo is compared with more closely, at most, so that the time grows little faster than the number
of photos."""

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


class Candidate(NamedTuple):
    """Two photos, by their position, that may show the same picture; `mirrored`: one shows it left to right."""

    one: int
    other: int
    mirrored: bool


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


def find_candidates(photos: Sequence[Keypoints], rows: int = 256) -> list[Candidate]:
    """Returns the pairs of photos whose descriptors are similar, in order, the first photo before the second.

    Args:
        photos: their keypoints.
        rows: photos in a block; a matrix of all similarities would need memory for N x N numbers.
    """
    plain = _summaries([photo.descriptors for photo in photos])
    mirrored = _summaries([photo.descriptors[:, MIRRORED] for photo in photos])
    candidates = set()
    for start in range(0, len(plain), rows):
        for flag, others in ((False, plain), (True, mirrored)):
            for one, other in _similar(plain[start : start + rows] @ others.T):
                first, second = sorted((start + int(one), int(other)))
                if first != second:
                    candidates.add(Candidate(first, second, flag))
    return sorted(candidates)


def _reduced(photo: Image.Image, side: int) -> Image.Image:
    scale = side / max(photo.size)
    return photo.resize([max(1, round(length * scale)) for length in photo.size], Image.Resampling.BOX)


def _similar(similarities: np.ndarray) -> np.ndarray:
    """Row and column of the similarities that suffice, of each row the highest `MAX_CANDIDATES` besides itself."""
    least = np.full((len(similarities), 1), MIN_SIMILARITY, np.float32)
    if similarities.shape[1] > MAX_CANDIDATES + 1:
        highest = np.partition(similarities, -MAX_CANDIDATES - 1, axis=1)[:, -MAX_CANDIDATES - 1, None]
        least = np.maximum(least, highest)
    return np.argwhere(similarities >= least)


def _summaries(descriptors: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the summary of each photo's descriptors, `(photos, DIMENSIONS)`, of length 1; 0 without descriptors."""
    random = np.random.RandomState(0)
    directions = random.normal(0, np.sqrt(2 * SHARPNESS), (128, DIMENSIONS)).astype(np.float32)
    phases = random.uniform(0, 2 * np.pi, DIMENSIONS).astype(np.float32)
    summaries = [np.zeros((0, DIMENSIONS), np.float32)]
    for start in range(0, len(descriptors), 64):
        batch = descriptors[start : start + 64]
        features = np.cos(root_sift(np.concatenate(batch)) @ directions + phases)
        bounds = np.cumsum([0, *(len(part) for part in batch)])
        sums = np.array([features[low:high].sum(axis=0) for low, high in pairwise(bounds)])
        summaries.append(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9))
    return np.concatenate(summaries)
