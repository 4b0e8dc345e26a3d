"""Alignment of two photos: whether one shows the other's picture mirrored, turned, cropped or padded.

Matching keypoints give the affine map from one photo to the other (RANSAC). That alone is no proof: two garments before
the same wall, or two prints of one design, match as well. So the mapped photo is compared with the other pixel by
pixel, in all of what both show, after brightness and contrast were made equal.
"""

from typing import NamedTuple

import cv2
import numpy as np

from apparel.data.keypoints import PICTURE_SIDE, SIDE, Keypoints, root_sift

MAX_DESCRIPTOR_DISTANCE = 0.63
"""Of two RootSIFT descriptors of the same corner; unrelated ones have 0.8 and more."""

MIN_MATCHES = 4
"""Keypoints that must fit the affine map: one more than would fit any."""

MIN_FITTING = 0.25
"""Share of the matching keypoints that must fit it. Of 1,272 copies of product photos and drawn ones 0.29 and more; of
other drawn photos, whose patterns match anywhere, 0.15 to 0.5."""

SAMPLES = 350
"""Samples of RANSAC, at most: of a map that `MIN_FITTING` of the matches fit, 996 in 1,000 times one is drawn."""

MAX_OFFSET = 3.0
"""Largest distance, in pixels of the photo reduced to `SIDE`, of a keypoint from where the map puts it."""

EDGE = 3
"""Pixels along the edge of a picture, of `PICTURE_SIDE`, that are not compared: a frame around the other photo shines
into them."""

REFINEMENTS = 30
"""Steps, at most, of the refinement; most end after ten."""

MAX_STRETCH = 1.6
"""Largest ratio of the map's two scales: photos are stretched from 16:10 to a square, hardly more."""

MAX_DIFFERENCE = 0.08
"""Of a pixel's colour, 0 to 1, after brightness and contrast were made equal: what compression, scaling and a map that
is off by a pixel leave."""

MAX_SHARE = 0.1
"""Share of pixels that may differ by more."""

MAX_CONTENT_SHARE = 0.15
"""The same share among pixels that are not of the main colour: most of a product photo is a white wall."""

MIN_CORRELATION = 0.96
"""Of the two photos' pixels. Of copies 0.97 and more; drawn garments of one pattern in other sizes reach 0.95."""

MIN_ROUGH_CORRELATION = 0.8
"""The same before the map is refined, which takes ten times as long as all else. Of copies 0.86 and more."""

MIN_COVERED = (0.6, 0.3)
"""Share of the one photo and of the other that both show. A crop by 20% at each edge is 0.36 of its source."""

COLOURLESS = 0.02
"""Mean difference of the strongest and the weakest colour, 0 to 1, below which a photo counts as grey."""


class Alignment(NamedTuple):
    """How two photos match.

    Attributes:
        matrix: `(2, 3)`, maps x and y of the second photo, reduced to `PICTURE_SIDE`, to those of the first.
        covered: share of each photo, 0 to 1, that both show.
    """

    matrix: np.ndarray
    covered: tuple[float, float]

    @property
    def degrees(self) -> float:
        """By how much the second photo is turned, -180 to 180."""
        return float(np.degrees(np.arctan2(self.matrix[1, 0] - self.matrix[0, 1], np.trace(self.matrix[:, :2]))))


def align(one: Keypoints, other: Keypoints) -> Alignment | None:
    """Returns how two photos match if they are copies of each other; None if they are not."""
    matrix = _map(one, other)
    if matrix is None:
        return None
    scale, centre = SIDE / PICTURE_SIDE, (SIDE / PICTURE_SIDE - 1) / 2  # the first small pixel's, in larger ones
    shift = (matrix[:, :2].sum(axis=1) * centre + matrix[:, 2] - centre) / scale
    first, second = (cv2.blur(photo.picture, (3, 3)) for photo in (one, other))
    warp = np.column_stack([matrix[:, :2], shift])
    _, pixels = _overlap(warp, first, second)
    if len(pixels[0]) < 2 or _correlation(*pixels) < MIN_ROUGH_CORRELATION:
        return None
    warp = _refine(warp, first, second)
    covered, pixels = _overlap(warp, first, second)
    if max(covered) < MIN_COVERED[0] or min(covered) < MIN_COVERED[1]:
        return None
    return Alignment(warp, covered) if _look_alike(*pixels) else None


def _overlap(
    warp: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[tuple[float, float], tuple[np.ndarray, np.ndarray]]:
    """The share of each picture that both show, and the pixels of both inside of it, `(N, 3)`, 0 to 1."""
    height, width = first.shape[:2]
    seen = cv2.warpAffine(np.ones(second.shape[:2], np.float32), warp, (width, height)) > 0.99
    area = abs(np.linalg.det(warp[:, :2])) * second.shape[0] * second.shape[1]
    warped = cv2.warpAffine(second, warp, (width, height), borderMode=cv2.BORDER_REPLICATE)
    inside = (
        cv2.erode(
            seen.astype(np.uint8), np.ones((2 * EDGE + 1, 2 * EDGE + 1)), borderType=cv2.BORDER_CONSTANT, borderValue=0
        )
        > 0
    )
    pixels = (first[inside].astype(np.float32) / 255, warped[inside].astype(np.float32) / 255)
    return (float(seen.mean()), float(min(1, seen.sum() / area))), pixels


def _refine(warp: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The map that makes two pictures most alike, from one that is off by a pixel or two (OpenCV's ECC)."""
    greys = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (first, second)]
    start = cv2.invertAffineTransform(warp).astype(np.float32)
    # A frame around one photo would pull the edges of the other outwards.
    inside = np.zeros(first.shape[:2], np.uint8)
    inside[EDGE:-EDGE, EDGE:-EDGE] = 1
    inside = cv2.warpAffine(inside, start, second.shape[1::-1])
    steps = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, REFINEMENTS, 1e-4)
    try:
        _, found = cv2.findTransformECC(*greys, start, cv2.MOTION_AFFINE, steps, inside, 3)
    except cv2.error:  # nothing to hold on to
        return warp
    return cv2.invertAffineTransform(found)


def _map(one: Keypoints, other: Keypoints) -> np.ndarray | None:
    """The affine map of matching keypoints; None if there are too few, or it distorts too much."""
    if min(len(one.points), len(other.points)) < MIN_MATCHES:
        return None
    first, second = _nearest_both_ways(root_sift(one.descriptors), root_sift(other.descriptors))
    if len(first) < MIN_MATCHES:
        return None
    to, start = one.points[first], other.points[second]
    # OpenCV draws RANSAC's samples with a seed of its own, the same each time.
    matrix, fits = cv2.estimateAffine2D(
        start, to, method=cv2.RANSAC, ransacReprojThreshold=MAX_OFFSET, maxIters=SAMPLES
    )
    if matrix is None or fits.sum() < max(MIN_MATCHES, MIN_FITTING * len(fits)) or np.linalg.det(matrix[:, :2]) <= 0:
        return None
    large, small = np.linalg.svd(matrix[:, :2], compute_uv=False)
    return matrix if large <= MAX_STRETCH * small else None


def _nearest_both_ways(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of descriptors of length 1, each of a pair the nearest to the other and `MAX_DESCRIPTOR_DISTANCE` away
    at most: what cv2.BFMatcher's cross-check gives, ten times as fast by a product of matrices."""
    # NumPy's product would start threads for each pair of photos, beside those that align photos.
    similarity = cv2.gemm(first, second, 1, None, 0, flags=cv2.GEMM_2_T)  # 1 - distance² / 2
    nearest = similarity.argmax(axis=1)
    rows = np.arange(len(first))
    mutual = similarity.argmax(axis=0)[nearest] == rows
    rows = rows[mutual & (similarity[rows, nearest] >= 1 - MAX_DESCRIPTOR_DISTANCE**2 / 2)]
    return rows, nearest[rows]


def _look_alike(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether pixels `(N, 3)`, 0 to 1, are the same but for brightness and contrast, of grey photos but for colour."""
    if min(np.mean(np.ptp(pixels, axis=1)) for pixels in (first, second)) < COLOURLESS:
        first, second = (pixels.mean(axis=1, keepdims=True) for pixels in (first, second))
    # What is overexposed in one photo can be told from the other only.
    return _explains(first, second) or _explains(second, first)


def _explains(source: np.ndarray, pixels: np.ndarray) -> bool:
    """Whether `pixels`, `(N, colours)`, are `source` with another brightness and contrast."""
    expected = _relight(source, pixels)
    differs = np.abs(expected - pixels).max(axis=1) > MAX_DIFFERENCE
    content = np.zeros(len(pixels), bool)
    for values in (expected, pixels):
        content |= np.abs(values - np.median(values, axis=0)).max(axis=1) > MAX_DIFFERENCE
    if differs.mean() > MAX_SHARE or not content.any() or differs[content].mean() > MAX_CONTENT_SHARE:
        return False
    return _correlation(expected, pixels) >= MIN_CORRELATION


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation of two arrays, 0 if one is constant."""
    if min(first.std(), second.std()) == 0:
        return 0.0
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _relight(source: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """`source` with the brightness and contrast that bring it closest to `pixels`, most of them; clipped to 0 to 1."""
    kept = np.ones(len(pixels), bool)
    for _ in range(3):
        inside = kept[:, None] & (pixels > 0.03) & (pixels < 0.97)  # clipped values follow no straight line
        inside = inside if inside.sum() >= 10 else np.broadcast_to(kept[:, None], pixels.shape)
        x, y = source[inside], pixels[inside]
        contrast = np.clip(np.cov(x, y, bias=True)[0, 1] / max(x.var(), 1e-6), 0.5, 2)
        expected = np.clip(contrast * (source - x.mean()) + y.mean(), 0, 1)
        difference = np.abs(expected - pixels).max(axis=1)
        kept = difference <= max(np.quantile(difference, 0.85), 0.02)
    return expected
