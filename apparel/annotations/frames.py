"""Which image the boxes of annotations lie in: the photo or a scaled copy, before or after EXIF turns it.

Both are decided by the whole set, never box by box: the orientation once, the scale once for each pair of the size in
the annotations and the photos' own size. A box that lies in one image and reaches beyond the other proves the first.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from apparel.annotations.matching import is_scaled, photo_sizes
from apparel.annotations.pairing import EXCEPTIONS
from apparel.annotations.records import SHARES, Annotation
from apparel.errors import UserError, plain, some_of
from apparel.images import Header

Size = tuple[int, int]
Pair = tuple[Size | None, Size]
"""The size in an annotation, if it gives one, and the photo's own."""

FAR_BEYOND = 0.5
"""Share of the longer side by which a box may reach beyond a photo of the right size: beyond, a corner is wrong."""

BEYOND = 0.1
"""Share of a side by which a box may reach beyond a photo whose annotation gives no size: hulls of turned boxes do."""

PROOF = 0.03
"""Share of an image's longer side by which a box has to reach beyond it to prove that it lies in another image."""

ROUNDING = 1.0
"""Pixels by which annotators count the last pixel differently."""

UNLIKELY = 0.001
"""Probability below which so few boxes beyond the other image are faults, and no proof of theirs."""

UNDECIDED_EXIF = "EXIF turns the photo, and no photo shows whether boxes were turned (convert.exif decides)"
UNDECIDED_SIZE = "size is not the photo's, and no box shows which of the two counts (convert.sizes decides)"
CONTRADICTORY_SIZE = "size is not the photo's, and boxes contradict each other in which counts (convert.sizes decides)"
BEYOND_PHOTO = "no size is given, and boxes reach far beyond photos of this size"


@dataclass(frozen=True, slots=True)
class Frame:
    """The image that an annotation's boxes lie in, by which they are placed on the photo.

    `size` is its width and height in pixels. `stored` says that EXIF has still to turn it. A box that reaches further
    than `reach` pixels beyond it is not one of the photo. `undecided` is the reason why the boxes cannot be placed, or
    empty.
    """

    size: Size
    stored: bool = False
    reach: float = math.inf
    undecided: str = ""


def decide_frames(
    annotated: Mapping[str, tuple[Annotation, Header]],
    exif: Literal["auto", "stored", "shown"] = "auto",
    sizes: Literal["auto", "scaled", "own"] = "auto",
) -> tuple[dict[str, Frame], list[str]]:
    """Decides for each photo which image its boxes lie in; also returns the decisions in sentences.

    Args:
        annotated: annotation and header of each photo, by the photo's name.
        exif: whether boxes lie on the pixels as stored or as shown; `auto` lets the set decide.
        sizes: whether boxes with another size than the photo's lie in a scaled copy or in the photo's own pixels.

    Raises:
        UserError: the set contradicts itself, or most of it is undecided; shows the readings with counts, and the
            parameter that decides.
    """
    decisions: list[str] = []
    reading = _decide_exif(annotated, exif, decisions)
    frames: dict[str, Frame] = {}
    groups: dict[Pair, list[str]] = defaultdict(list)
    for photo, (annotation, header) in annotated.items():
        stored, shown = photo_sizes(header)
        image = stored if reading == "stored" else shown
        if header.orientation == 1 or (reading and annotation.size not in (stored, shown)):
            groups[annotation.size, image].append(photo)
        else:
            reach = FAR_BEYOND * max(image) if annotation.size == image else ROUNDING
            frames[photo] = Frame(image, reach=reach, undecided="" if reading else UNDECIDED_EXIF)
    boxes = {
        pair: [_corners(annotated[photo][0]) for photo in photos if annotated[photo][0].boxes]
        for pair, photos in groups.items()
    }
    decided = {pair: _decide_size(*pair, boxes[pair], sizes) for pair in groups}
    _decide_swapped(decided, boxes)
    for pair, photos in groups.items():
        frames |= dict.fromkeys(photos, decided[pair])
    decisions += _size_decisions(decided, boxes)
    for photo, (_, header) in annotated.items():
        if reading == "stored" and header.orientation != 1:
            frames[photo] = replace(frames[photo], stored=True)
    _check_undecided(annotated, frames, decisions)
    return frames, decisions


def _decide_exif(annotated: Mapping[str, tuple[Annotation, Header]], exif: str, decisions: list[str]) -> str | None:
    """`stored` or `shown`; None if no photo proves either."""
    turned = {photo: pair for photo, pair in annotated.items() if pair[1].orientation != 1 and pair[0].boxes}
    if not turned:
        return "shown"
    votes = {photo: _exif_vote(*pair) for photo, pair in turned.items()}
    counts = Counter(votes.values())
    stored, shown = counts["stored"], counts["shown"]
    counted = (
        f"EXIF turns {len(turned)} annotated photos: {stored} prove that boxes were drawn on the pixels as stored, "
        f"{shown} as shown"
    )
    if exif != "auto":
        decisions.append(f"{counted}; convert.exif takes all as {exif}")
        return exif
    if stored and shown:
        first = [next(plain(photo) for photo, vote in votes.items() if vote == image) for image in ("stored", "shown")]
        raise UserError(
            f"{counted} (first {first[0]} and {first[1]}); convert.exif in params.yaml decides for all: stored or shown"
        )
    if not stored and not shown:
        decisions.append(f"{counted}; their boxes are dropped (convert.exif in params.yaml decides: stored or shown)")
        return None
    reading = "stored" if stored else "shown"
    decisions.append(f"{counted}; all are taken as {reading} (convert.exif)")
    return reading


def _exif_vote(annotation: Annotation, header: Header) -> str | None:
    """The reading that a photo proves: by boxes that fit one of the two images only, or by the size given."""
    stored, shown = photo_sizes(header)
    if stored == shown:
        return None
    size, corners = annotation.size, _corners(annotation)
    if size in (None, stored, shown):
        fits = (_may_lie_in(corners, stored), _may_lie_in(corners, shown))
        if fits[0] != fits[1]:
            return "stored" if fits[0] else "shown"
    if size is None:
        return None
    for image, reading in ((stored, "stored"), (shown, "shown")):
        if size == image or (is_scaled(size, image) and not is_scaled(size, image[::-1])):
            return reading
    return None


def _decide_size(size: Size | None, image: Size, boxes: Sequence[np.ndarray], sizes: str) -> Frame:
    """The image that boxes lie in which all have one size beside photos of one size.

    Args:
        size: the size in the annotations.
        image: the photos' size.
        boxes: corners `(N, 4)` of each photo with boxes, in pixels.
        sizes: see `decide_frames`.
    """
    if size is None:
        reach = BEYOND * max(image)
        beyond = sum(not _fits(corners, image, reach) for corners in boxes)
        too_many = beyond > EXCEPTIONS * len(boxes)
        return Frame(image, reach=reach, undecided=BEYOND_PHOTO if too_many and sizes != "own" else "")
    if size in (image, SHARES):
        return Frame(size, reach=FAR_BEYOND * max(size))
    if sizes != "auto":
        return Frame(size if sizes == "scaled" else image, reach=ROUNDING)
    in_size = [_may_lie_in(corners, size) for corners in boxes]
    in_image = [_may_lie_in(corners, image) for corners in boxes]
    prove_own = sum(own and not scaled for own, scaled in zip(in_image, in_size, strict=True))
    prove_scaled = sum(scaled and not own for own, scaled in zip(in_image, in_size, strict=True))
    usable = sum(own or scaled for own, scaled in zip(in_image, in_size, strict=True))
    if bool(prove_own) == bool(prove_scaled) or (prove_scaled and not is_scaled(size, image)):
        return Frame(image, undecided=CONTRADICTORY_SIZE if prove_own and prove_scaled else UNDECIDED_SIZE)
    proved, other = (image, size) if prove_own else (size, image)
    if _at_most(prove_own or prove_scaled, usable, 1 - _shared(proved, other)) < UNLIKELY:
        return Frame(image, undecided=CONTRADICTORY_SIZE)
    return Frame(proved, reach=ROUNDING)


def _decide_swapped(decided: dict[Pair, Frame], boxes: Mapping[Pair, Sequence[np.ndarray]]) -> None:
    """Decides sizes with width and height exchanged, which tools write for a whole set, by those that prove it."""
    swapped = [pair for pair in decided if pair[0] == pair[1][::-1] and pair[0] != pair[1]]
    proved = sum(len(boxes[pair]) for pair in swapped if not decided[pair].undecided)
    turned = any(
        _may_lie_in(corners, pair[0]) and not _may_lie_in(corners, pair[1])
        for pair in swapped
        for corners in boxes[pair]
    )
    if proved >= 2 and not turned:
        decided |= {pair: Frame(pair[1], reach=ROUNDING) for pair in swapped}


def _size_decisions(decided: Mapping[Pair, Frame], boxes: Mapping[Pair, Sequence[np.ndarray]]) -> list[str]:
    """What was decided for sizes in annotations with boxes that are not their photos', a sentence for each outcome."""
    pairs: dict[str, list[Pair]] = defaultdict(list)
    for (size, image), frame in sorted(decided.items(), key=str):
        if size not in (None, image, SHARES) and boxes[size, image]:
            taken = "boxes are in the photos' own pixels" if frame.size == image else "boxes are scaled"
            pairs[frame.undecided or taken].append((size, image))
    return [
        f"{sum(len(boxes[pair]) for pair in of_outcome)} annotations give another size than their photo's "
        f"({some_of([f'{_text(size)} for {_text(image)}' for size, image in of_outcome], 3)}): {outcome}"
        for outcome, of_outcome in pairs.items()
    ]


def _check_undecided(
    annotated: Mapping[str, tuple[Annotation, Header]], frames: Mapping[str, Frame], decisions: Sequence[str]
) -> None:
    """Checks that the boxes of most photos can be placed.

    Raises:
        UserError: those of more than half cannot.
    """
    with_boxes = [photo for photo, (annotation, _) in annotated.items() if annotation.boxes]
    undecided = sorted(photo for photo in with_boxes if frames[photo].undecided)
    if len(undecided) > len(with_boxes) / 2:
        reasons = Counter(frames[photo].undecided for photo in undecided)
        raise UserError(
            f"of {len(with_boxes)} annotated photos, {len(undecided)} have boxes that cannot be placed "
            f"({some_of([plain(photo) for photo in undecided], 3)}):\n  "
            + "\n  ".join([*(f"{count}: {reason}" for reason, count in sorted(reasons.items())), *decisions])
        )


def _at_most(successes: int, trials: int, probability: float) -> float:
    """Probability of at most so many successes (binomial distribution), each above 0 and below 1."""
    ways = [math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) for k in range(successes + 1)]
    return sum(
        math.exp(way + k * math.log(probability) + (trials - k) * math.log1p(-probability))
        for k, way in enumerate(ways)
    )


def _shared(size: Size, other: Size) -> float:
    """Share of an image that another covers: how often a box of the first fits the second, too, at most."""
    return min(size[0], other[0]) * min(size[1], other[1]) / (size[0] * size[1])


def _corners(annotation: Annotation) -> np.ndarray:
    return np.array([box.corners for box in annotation.boxes], dtype=np.float64).reshape(-1, 4)


def _may_lie_in(corners: np.ndarray, size: Size) -> bool:
    """Whether no box proves that it lies in another image than that of this size."""
    return _fits(corners, size, max(ROUNDING, PROOF * max(size)))


def _fits(corners: np.ndarray, size: Size, margin: float) -> bool:
    """Whether all boxes lie in an image of that size, within a margin in pixels."""
    return bool((corners >= -margin).all() and (corners <= np.array(size * 2) + margin).all())


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
