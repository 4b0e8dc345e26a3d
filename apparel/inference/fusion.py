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
    starts, sizes = _starts(groups)
    order = np.argsort(-sizes, kind="stable")  # groups that have boxes left are then the first ones
    starts, sizes = starts[order], sizes[order]
    clusters = np.zeros(len(sizes), int)
    width = 0
    weighted = np.zeros((len(sizes), 8, 4))  # by group and cluster: sum of weighted score times corner
    weight = np.zeros((len(sizes), 8))
    best = np.zeros((len(sizes), 8, len(views)))
    for step in range(sizes[0] if len(sizes) else 0):
        active = np.arange(np.searchsorted(-sizes, -step, side="left"))  # sizes fall; those above `step`
        rows = starts[active] + step
        if width + 1 > weight.shape[1]:
            weighted, weight, best = (
                np.concatenate([each, np.zeros_like(each)], axis=1) for each in (weighted, weight, best)
            )
        cluster = _match(boxes[rows], weighted[active, :width], weight[active, :width], iou)
        is_new = cluster < 0
        cluster = np.where(is_new, clusters[active], cluster)
        clusters[active[is_new]] += 1
        width = int(clusters.max())
        weighted[active, cluster] += scores[rows, np.newaxis] * boxes[rows]
        weight[active, cluster] += scores[rows]
        best[active, cluster, view_of[rows]] = np.maximum(best[active, cluster, view_of[rows]], scores[rows])
    group, cluster = np.nonzero(np.arange(weight.shape[1]) < clusters[:, np.newaxis])
    photo, name = np.divmod(groups[starts[group]], _classes(views))
    means = weighted[group, cluster] / weight[group, cluster, np.newaxis]
    return len(views[0].count), _Clusters(photo, name, best[group, cluster].sum(axis=1), means)


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


def _starts(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each group starts among sorted groups, and its size."""
    _, starts, sizes = np.unique(groups, return_index=True, return_counts=True)
    return starts, sizes


def _match(boxes: np.ndarray, weighted: np.ndarray, weight: np.ndarray, iou: float) -> np.ndarray:
    """The cluster that each box overlaps most, (G,), of its group's up to K; -1 where none by more than `iou`."""
    if not weight.shape[1]:
        return np.full(len(boxes), -1)
    fused = weighted / np.where(weight, weight, 1)[..., np.newaxis]
    boxes = boxes[:, np.newaxis]
    sides = np.minimum(fused[..., 2:], boxes[..., 2:]) - np.maximum(fused[..., :2], boxes[..., :2])
    shared = np.prod(sides.clip(0), axis=-1)
    areas = np.prod(fused[..., 2:] - fused[..., :2], axis=-1) + np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)
    overlap = shared / (areas - shared)
    found = overlap.argmax(axis=1)
    return np.where(overlap[np.arange(len(found)), found] > iou, found, -1)


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
