"""Outlines of garments of the six classes: symmetric, with random proportions.

Coordinates: x runs to the right from 0 at the garment's middle, y runs down from 0 at its top; a top is about one unit
high. The right half is drawn, the left half mirrors it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

Point = tuple[float, float]


@dataclass(frozen=True)
class Garment:
    """Closed outlines to fill, and lines (seams, pockets, pleats) to draw on them."""

    outlines: list[list[Point]]
    seams: list[list[Point]]


def curve(start: Point, control: Point, end: Point, steps: int = 12) -> list[Point]:
    """Returns points on a quadratic Bezier curve, both ends included."""
    points = []
    for step in range(steps + 1):
        t = step / steps
        weights = ((1 - t) ** 2, 2 * t * (1 - t), t**2)
        points.append(
            tuple(sum(w * p[axis] for w, p in zip(weights, (start, control, end), strict=True)) for axis in (0, 1))
        )
    return points


def mirror(half: list[Point]) -> list[Point]:
    """Returns a closed outline, given its right half from the top to the bottom."""
    return half + [(-x, y) for x, y in reversed(half)]


def both_sides(line: list[Point]) -> list[list[Point]]:
    """Returns a line on the right and its reflection on the left."""
    return [line, [(-x, y) for x, y in line]]


def _top(random: Random) -> Garment:
    neck, depth = random.uniform(0.14, 0.2), random.uniform(0.08, 0.24)
    sleeve = random.uniform(0.25, 0.75)
    cuff = (0.5 + 0.42 * sleeve**0.5, 0.12 + 0.7 * sleeve)
    inner = (cuff[0] - 0.2, cuff[1] + 0.07)
    waist, hem = random.uniform(0.38, 0.46), random.uniform(0.9, 1.05)
    body = curve((0.45, 0.36), (waist - 0.03, 0.65), (waist, hem))
    half = [
        *curve((0, depth), (neck, depth), (neck, 0)),
        (0.47, 0.07),
        cuff,
        inner,
        *body,
        *curve((waist, hem), (0.2, hem + 0.05), (0, hem + 0.04)),
    ]
    collar = curve((0, depth + 0.05), (neck + 0.05, depth + 0.05), (neck + 0.05, 0.01))
    hem_line = [(0, hem - 0.01), (waist, hem - 0.05)]
    return Garment(
        [mirror(half)], [*both_sides(collar), *both_sides([(0.47, 0.07), (0.45, 0.36)]), *both_sides(hem_line)]
    )


def _dress(random: Random) -> Garment:
    depth, waist = random.uniform(0.12, 0.24), random.uniform(0.17, 0.21)
    flare, hem = random.uniform(0.42, 0.62), random.uniform(1.45, 1.75)
    shoulder = [(0.17, 0), (0.26, 0.02), *curve((0.26, 0.02), (0.2, 0.2), (0.28, 0.28))]
    if random.random() < 0.5:  # short sleeves
        shoulder = [(0.15, 0), (0.32, 0.04), (0.46, 0.24), (0.36, 0.3), (0.29, 0.24)]
    skirt = curve((waist, 0.55), (waist + 0.1, 0.9), (flare, hem))
    half = [
        *curve((0, depth), (0.16, depth), shoulder[0]),
        *shoulder,
        *curve(shoulder[-1], (0.26, 0.42), (waist, 0.55)),
    ]
    half += [*skirt, *curve((flare, hem), (0.25, hem + 0.09), (0, hem + 0.07))]
    folds = both_sides([(waist * 0.5, 0.6), (flare * 0.5, hem)])
    return Garment([mirror(half)], [[(-waist, 0.55), (waist, 0.55)], [(-waist, 0.6), (waist, 0.6)], *folds])


def _pants(random: Random) -> Garment:
    hip, ankle = random.uniform(0.29, 0.34), random.uniform(0.24, 0.42)
    leg, length, rise = random.uniform(0.13, 0.2), random.uniform(1.3, 1.5), random.uniform(0.3, 0.36)
    outer = [(0.25, 0), *curve((0.25, 0.02), (hip, 0.1), (hip, 0.3)), (ankle, length)]
    half = [(0, 0.02), *outer, (max(ankle - leg, 0.05), length), (0.015, rise)]
    pocket = curve((0.12, 0.08), (0.14, 0.2), (hip - 0.02, 0.22))
    crease = [(0.17, 0.35), (ankle - leg / 2, length)]
    return Garment(
        [mirror(half)],
        [[(-0.25, 0.08), (0.25, 0.08)], [(0, 0.08), (0, rise)], *both_sides(pocket), *both_sides(crease)],
    )


def _shorts(random: Random) -> Garment:
    hem, length = random.uniform(0.42, 0.52), random.uniform(0.56, 0.68)
    rise = length * random.uniform(0.58, 0.68)
    half = [
        (0, 0.015),
        (0.32, 0),
        *curve((0.32, 0.02), (0.38, 0.1), (hem, length)),
        (0.07, length + 0.03),
        (0.015, rise),
    ]
    cuff = [(hem - 0.015, length - 0.06), (0.06, length - 0.03)]
    pocket = curve((0.17, 0.08), (0.2, 0.22), (0.37, 0.23))
    return Garment(
        [mirror(half)], [[(-0.33, 0.08), (0.33, 0.08)], [(0, 0.08), (0, rise)], *both_sides(cuff), *both_sides(pocket)]
    )


def _skirt(random: Random) -> Garment:
    flare, length = random.uniform(0.46, 0.6), random.uniform(0.72, 0.95)
    side = curve((0.22, 0.08), (0.3, 0.25), (flare, length))
    half = [(0, 0), (0.21, 0), *side, *curve((flare, length), (flare / 2, length + 0.12), (0, length + 0.1))]
    pleats = [both_sides([(0.22 * share, 0.08), (flare * share, length + 0.07)]) for share in (0.2, 0.45, 0.7)]
    return Garment([mirror(half)], [[(-0.22, 0.08), (0.22, 0.08)], *[line for pair in pleats for line in pair]])


def _lingerie(random: Random) -> Garment:
    cup, gap = random.uniform(0.2, 0.24), random.uniform(0.16, 0.26)
    bottom = 0.32 + cup
    bra = [
        (0.02, 0.33),
        *curve((0.03, 0.33), (0.1, 0.18), (0.2, 0.1)),
        (0.19, 0),
        (0.24, 0),
        *curve((0.25, 0.1), (0.4, 0.22), (0.44, 0.36)),
    ]
    bra += [(0.44, bottom - 0.1), *curve((0.4, bottom - 0.08), (0.2, bottom + 0.1), (0.02, bottom - 0.12))]
    top = bottom + gap
    brief = [
        (0, top + 0.04),
        (0.42, top),
        (0.43, top + 0.1),
        *curve((0.42, top + 0.11), (0.14, top + 0.16), (0.09, top + 0.38)),
        (0, top + 0.4),
    ]
    lace = curve((0.03, 0.36), (0.2, 0.26), (0.42, 0.38))
    return Garment([mirror(bra), mirror(brief)], [*both_sides(lace), *both_sides([(0, top + 0.1), (0.42, top + 0.06)])])


GARMENT_MAKERS: dict[str, Callable[[Random], Garment]] = {
    "Dresses": _dress,
    "Lingerie": _lingerie,
    "Pants_Leggings": _pants,
    "Shorts": _shorts,
    "Skirts": _skirt,
    "Tops": _top,
}


def make_garment(label: str, random: Random) -> Garment:
    """Returns a garment of class `label`, a key of `GARMENT_MAKERS`, with proportions drawn from `random`."""
    return GARMENT_MAKERS[label](random)
