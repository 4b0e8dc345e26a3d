"""Weighted boxes fusion: the detections of several networks, or of one on several views of a photo, become one set.

R. Solovyev, W. Wang, T. Gabruseva: Weighted boxes fusion, arXiv 1910.13302. Boxes of a class that overlap by more than
a threshold are one cluster. Its box is their mean, weighted by scores; its score is the mean over all views, also those
that found nothing there. Non-maximum suppression would keep the best box alone, however many views agree.

Our own although PyPI has `ensemble-boxes`: that one needs numba, a compiler of 100 MB, for its other methods; it fuses
photo by photo in a Python loop; and with unequal weights its scores pass 1 where a view has several boxes in a cluster.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from apparel.models.detections import Detections

IOU = 0.55
"""Intersection over union above which boxes are of one cluster: the paper's, and ensemble-boxes' default."""

PHOTOS_AT_ONCE = 64
"""Photos whose clusters are in memory at once: some 20 MB with six classes and 100 detections a photo and view."""


def fuse(views: Sequence[Detections], weights: Sequence[float], iou: float = IOU) -> Detections:
    """Fuses the detections of V views on the same B photos, with the same classes.

    A cluster's score is the sum over the views of the view's share of the weights times its best score in the cluster:
    the paper's mean where each view has one box there, and never above 1.

    Args:
        views: NumPy arrays; the numbers of detections D may differ.
        weights: of the views, above 0; only their ratios count.
        iou: 0 to 1; boxes that overlap by more are one cluster.

    Returns:
        At most as many detections a photo as the views had at most, float32, the highest score first.
    """
    shares = np.asarray(weights, float) / np.sum(weights)
    most = max(view.scores.shape[1] for view in views)
    parts = [
        _fuse([Detections(*(values[start : start + PHOTOS_AT_ONCE] for values in view)) for view in views], shares, iou)
        for start in range(0, len(views[0].count), PHOTOS_AT_ONCE)
    ]
    fused = [_by_photo(photos, clusters, most) for photos, clusters in parts]
    return Detections(*(np.concatenate(values) for values in zip(*fused, strict=True)))


def mirror(detections: Detections) -> Detections:
    """The detections on photos whose left and right are exchanged."""
    ymin, xmin, ymax, xmax = np.moveaxis(detections.boxes, -1, 0)
    return detections._replace(boxes=np.stack([ymin, 1 - xmax, ymax, 1 - xmin], axis=-1))


@dataclass(frozen=True)
class _Clusters:
    """N clusters: row of the photo in the batch, class, score (each (N,)) and box (N, 4)."""

    photos: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray


def _fuse(views: Sequence[Detections], shares: np.ndarray, iou: float) -> tuple[int, _Clusters]:
    """The number of photos and their clusters.

    A group is one class on one photo. All groups take their next box, that of the highest weighted score, at a time.
    """
    groups, view_of, scores, boxes = _sorted_boxes(views, shares)
    _, starts, sizes = np.unique(groups, return_index=True, return_counts=True)
    order = np.argsort(-sizes, kind="stable")  # groups that have boxes left are then the first ones
    starts, sizes = starts[order], sizes[order]
    most = int(sizes.max(initial=0))
    active = np.searchsorted(-sizes, -np.arange(most), side="left")  # groups with more boxes than `step`
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    clusters = np.zeros(len(sizes), int)
    fused, area = np.zeros((len(sizes), most, 4)), np.zeros((len(sizes), most))
    sums, weight = np.zeros((len(sizes) * most, 4)), np.zeros(len(sizes) * most)
    best = np.zeros((len(sizes) * most, len(views)))
    width = 0
    for step in range(most):
        rows = starts[: active[step]] + step
        box, score = boxes[rows], scores[rows]
        overlap = _overlap(fused[: len(rows), : max(1, width)], area[: len(rows), : max(1, width)], box, areas[rows])
        found, group = overlap.argmax(axis=1), np.arange(len(rows))
        is_new = overlap[group, found] <= iou
        cluster = np.where(is_new, clusters[: len(rows)], found)
        clusters[: len(rows)] += is_new
        width = int(clusters.max())
        place = group * most + cluster
        sums[place] += score[:, np.newaxis] * box
        weight[place] += score
        fused[group, cluster] = mean = sums[place] / weight[place, np.newaxis]
        area[group, cluster] = (mean[:, 2] - mean[:, 0]) * (mean[:, 3] - mean[:, 1])
        best[place, view_of[rows]] = np.maximum(best[place, view_of[rows]], score)
    group, cluster = np.nonzero(np.arange(most) < clusters[:, np.newaxis])
    photo, name = np.divmod(groups[starts[group]], _classes(views))
    return len(views[0].count), _Clusters(photo, name, best[group * most + cluster].sum(axis=1), fused[group, cluster])


def _sorted_boxes(
    views: Sequence[Detections], shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Group, view, weighted score (each (N,)) and box (N, 4) of all boxes, by group, the highest score first."""
    columns = []
    for number, view in enumerate(views):
        area = np.prod(np.asarray(view.boxes, float)[..., 2:] - np.asarray(view.boxes, float)[..., :2], axis=-1)
        is_detection = np.arange(view.scores.shape[1]) < np.asarray(view.count)[:, np.newaxis]
        photo, position = np.nonzero(is_detection & (view.scores > 0) & (area > 0))
        group = photo * _classes(views) + view.classes[photo, position].astype(int)
        score = shares[number] * view.scores[photo, position].astype(float)
        columns.append((group, np.full(len(group), number), score, view.boxes[photo, position].astype(float)))
    groups, view_of, scores, boxes = (np.concatenate(values) for values in zip(*columns, strict=True))
    order = np.lexsort((-scores, groups))
    return groups[order], view_of[order], scores[order], boxes[order]


def _classes(views: Sequence[Detections]) -> int:
    return 1 + int(max((view.classes.max(initial=0) for view in views), default=0))


def _overlap(fused: np.ndarray, fused_areas: np.ndarray, boxes: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Intersection over union of each box (G, 4), with its area (G,), and its group's K clusters: (G, K)."""
    boxes = boxes[:, np.newaxis]
    sides = np.minimum(fused[..., 2:], boxes[..., 2:]) - np.maximum(fused[..., :2], boxes[..., :2])
    np.maximum(sides, 0, out=sides)
    shared = sides[..., 0] * sides[..., 1]
    return shared / (fused_areas + areas[:, np.newaxis] - shared)


def _by_photo(photos: int, clusters: _Clusters, most: int) -> Detections:
    order = np.lexsort((-clusters.scores, clusters.photos))
    photo = clusters.photos[order]
    starts = np.searchsorted(photo, np.arange(photos))
    position = np.arange(len(photo)) - starts[photo]
    kept = position < most
    photo, position, order = photo[kept], position[kept], order[kept]
    boxes, classes = np.zeros((photos, most, 4), np.float32), np.zeros((photos, most), np.float32)
    scores = np.zeros((photos, most), np.float32)
    boxes[photo, position] = clusters.boxes[order]
    classes[photo, position] = clusters.classes[order]
    scores[photo, position] = clusters.scores[order]
    return Detections(boxes, classes, scores, np.bincount(photo, minlength=photos).astype(np.float32))
