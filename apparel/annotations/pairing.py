"""Pairing of annotations and photos: by the annotation file's own name, or by the file name written in it.

LabelImg pairs by the file's own name, PASCAL VOC by the `<filename>` inside. Where the two differ, the evidence of the
whole set decides: the sizes in the annotations, and that a photo has one annotation. A file whose evidence contradicts
the decision is dropped; where there is none, or too many contradict, `PairingError` shows both readings with counts.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from apparel.annotations.matching import SIMILAR, Claim, PhotoNames, SizeEvidence
from apparel.annotations.problems import Problem, Problems
from apparel.annotations.records import SHARES, Annotation
from apparel.errors import UserError, plain, some_of
from apparel.images import Header

Reading = Literal["name", "filename"]

EXCEPTIONS = 0.1
"""Share of files up to which a contradiction is taken for a fault of these files; beyond it, the reading is wrong."""

REMEDY = "convert.pairing in params.yaml decides: name, as LabelImg pairs them, or filename"


@dataclass
class Pairing:
    """Which annotation each photo has.

    `annotations` are by photo; `lost_boxes` is the number of boxes of a photo in annotations that were not taken;
    `decisions` are sentences for the report.
    """

    annotations: dict[str, Annotation] = field(default_factory=dict)
    lost_boxes: Counter = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)

    def drop(self, claim: Claim, reason: str, detail: str, photos: Iterable[str] = ()) -> None:
        """Drops an annotation; `photos` lose its boxes."""
        log = Problems(claim.annotation.file)
        boxes = len(claim.annotation.boxes)
        log.add("dropped", reason, detail, boxes)
        self.problems += log.entries
        self.lost_boxes.update(dict.fromkeys(photos, boxes + claim.annotation.dropped))


def pair_photos(
    annotations: Iterable[Annotation],
    photo_names: Sequence[str],
    read_headers: Callable[[list[str]], Mapping[str, Header]],
    pairing: Literal["auto", "name", "filename"] = "auto",
) -> Pairing:
    """Finds the annotation of each photo.

    Args:
        annotations: of the whole data set.
        photo_names: all photos.
        read_headers: returns the headers of photos by name, without those that cannot be read.
        pairing: which name counts where two lead to different photos; `auto` lets the whole set decide.

    Raises:
        UserError: the set contradicts itself; shows both readings with counts, and the parameter that decides.
    """
    names = PhotoNames(photo_names)
    claims = [names.claim(annotation) for annotation in annotations]
    sizes = SizeEvidence(read_headers(sorted(set().union(*(claim.photos() for claim in claims)))))
    result = Pairing()
    reading = decide_reading(claims, sizes, result.decisions) if pairing == "auto" else pairing
    photos = {id(claim): photo_of(claim, reading, sizes) for claim in claims}
    if pairing == "auto":
        _drop_contradicting(claims, photos, sizes, result)
    by_photo: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        if id(claim) not in photos:
            continue
        if photo := photos[id(claim)]:
            by_photo[photo].append(claim)
        else:
            _drop_missing(claim, names, reading, result)
    for photo, rivals in sorted(by_photo.items()):
        _take_best(photo, rivals, sizes, result)
    return result


def decide_reading(claims: Sequence[Claim], sizes: SizeEvidence, decisions: list[str]) -> Reading | None:
    """Decides whether the annotation files' own names or the file names in them lead to the photos.

    A file votes for the name whose photo has the size that it gives, and that no other file claims.

    Returns:
        The reading; None if there are few files that name two photos and none of them votes. Adds to `decisions`.

    Raises:
        UserError: both readings have votes, or neither has, and this is not only about a few files.
    """
    conflicts = [claim for claim in claims if claim.conflicts]
    if not conflicts:
        return "filename"
    votes = Counter(_votes(claims, conflicts, sizes))
    by_name, by_filename = votes[1], votes[-1]
    counts = (
        f"{len(conflicts)} of {len(claims)} annotations are called as one photo and name another: by their own names "
        f"{by_name} fit better, by <filename> {by_filename}"
    )
    few = len(conflicts) <= EXCEPTIONS * len(claims)
    opposed = min(by_name, by_filename) > EXCEPTIONS * (by_name + by_filename)
    lonely = by_name + by_filename < (1 if len(conflicts) <= 2 else 2)
    if not opposed and not lonely:
        reading: Reading = "name" if by_name > by_filename else "filename"
        decisions.append(f"{counts}; all are paired by {'their own names' if reading == 'name' else '<filename>'}")
        return reading
    if few:
        decisions.append(f"{counts}; they are dropped ({REMEDY})")
        return None
    first = some_of(
        [plain(f"{claim.annotation.file}: {claim.by_name[0]} or {claim.by_filename}") for claim in conflicts], 3
    )
    raise UserError(f"{counts} ({first}); {REMEDY}")


def photo_of(claim: Claim, reading: Reading | None, sizes: SizeEvidence) -> str | None:
    """The photo of an annotation in a reading of the set; None if there is none, or several that fit equally."""
    if claim.agrees:
        return claim.by_filename
    if claim.conflicts and reading is None:
        return None
    if claim.by_filename and (reading != "name" or not claim.by_name):
        return claim.by_filename
    return claim.by_name[0] if len(claim.by_name) == 1 else sizes.only_fit(claim.annotation, claim.by_name)


def _votes(claims: Sequence[Claim], conflicts: Sequence[Claim], sizes: SizeEvidence) -> list[int]:
    """1 for each file that fits better by its own name, -1 by the name inside, 0 if nothing tells."""
    photos = {
        reading: {id(claim): photo_of(claim, reading, sizes) for claim in claims} for reading in ("name", "filename")
    }
    claimed = {reading: Counter(filter(None, of_reading.values())) for reading, of_reading in photos.items()}
    votes = []
    for claim in conflicts:
        by_name = photos["name"][id(claim)]
        # Of several photos that differ in their endings, each may be the one.
        fit = max(sizes.fit(claim.annotation, photo) for photo in ([by_name] if by_name else claim.by_name))
        other_fit = sizes.fit(claim.annotation, claim.by_filename)
        alone = not by_name or claimed["name"][by_name] == 1
        other_alone = claimed["filename"][claim.by_filename] == 1
        difference = _sign(fit - other_fit) + _sign(alone - other_alone)
        votes.append(_sign(difference))
    return votes


def _drop_contradicting(
    claims: Sequence[Claim], photos: dict[int, str | None], sizes: SizeEvidence, result: Pairing
) -> None:
    """Drops annotations whose sizes are those of other photos, from `photos`, too.

    Raises:
        UserError: they are too many to be faults of single files.
    """
    paired = [claim for claim in claims if photos[id(claim)]]
    for described, group in (
        ("name one photo twice", [claim for claim in paired if claim.agrees]),
        ("name another photo, too", [claim for claim in paired if claim.conflicts]),
        ("name a photo that is not there", [claim for claim in paired if claim.by_filename is None]),
        ("are not called as a photo", [claim for claim in paired if not claim.by_name and claim.annotation.stem]),
        ("are in files for many photos", [claim for claim in paired if claim.annotation.stem is None]),
    ):
        agree = described in ("name one photo twice", "are in files for many photos")
        against = [claim for claim in group if sizes.fit(claim.annotation, photos[id(claim)]) == -1]
        if agree:
            against = _exchanged(against, group, photos, sizes)
        if not against:
            continue
        many = len(against) > EXCEPTIONS * len(group)
        where = f"{len(against)} of {len(group)} annotations that {described} give the size of another photo or shape"
        if many and len(group) > EXCEPTIONS * len(claims) and len(group) > 2:
            some = some_of([plain(f"{claim.annotation.file}: {photos[id(claim)]}") for claim in against], 3)
            raise UserError(
                f"{where} ({some}): they may belong to other photos; pair the files anew; if only their sizes are "
                f"wrong, {REMEDY}"
            )
        for claim in group if many and not agree else against:
            photo = photos.pop(id(claim))
            width, height = claim.annotation.size or (0, 0)
            result.drop(claim, "size is not that of the photo that is named", f"{width}x{height}, {photo}", [photo])


def _exchanged(
    against: list[Claim], group: list[Claim], photos: Mapping[int, str | None], sizes: SizeEvidence
) -> list[Claim]:
    """Those annotations whose sizes are those of photos of others among them, as after a change of order.

    None if all could be of copies that are larger, or smaller, and none if a tool exchanged width and height.
    """
    of_photos = {id(claim): sizes.size(photos[id(claim)]) for claim in against}
    if all(claim.annotation.size == of_photos[id(claim)][::-1] for claim in against):
        fitting = (claim.annotation.size for claim in group if sizes.fit(claim.annotation, photos[id(claim)]) == 1)
        if all(width == height for width, height in fitting):
            return []
    exchanged = [claim for claim in against if claim.annotation.size in of_photos.values()]
    larger = {
        tuple(side > of_photo for side, of_photo in zip(claim.annotation.size, of_photos[id(claim)], strict=True))
        for claim in exchanged
    }
    return [] if len(larger) <= 1 and larger <= {(True, True), (False, False)} else exchanged


def _drop_missing(claim: Claim, names: PhotoNames, reading: Reading | None, result: Pairing) -> None:
    annotation = claim.annotation
    if claim.conflicts and reading is None:
        photos = ", ".join([*claim.by_name, claim.by_filename])
        result.drop(claim, "names two photos, and nothing tells which", photos, claim.photos())
    elif annotation.boxes or not annotation.dropped:  # else its only rows were reported where they were read
        several = f"; it may be any of {', '.join(fit)}" if (fit := names.of_any_extension(annotation)) else ""
        detail = f"'{annotation.photo}', {len(annotation.boxes)} boxes{several}"
        result.drop(claim, "photo is missing", detail, claim.by_name)


def _take_best(photo: str, rivals: list[Claim], sizes: SizeEvidence, result: Pairing) -> None:
    """Takes the annotation of a photo for which most speaks; if several are equal in that and differ, none."""

    def evidence(claim: Claim) -> tuple:
        annotation = claim.annotation
        match = claim.filename_match if photo == claim.by_filename else claim.name_match
        without_sizes = annotation.size == SHARES or (annotation.stem is None and annotation.size is None)
        fit = 1 if without_sizes else sizes.fit(annotation, photo)  # FIAT's and YOLO's files cannot give sizes
        return bool(annotation.boxes or not annotation.dropped), fit >= 0, match != SIMILAR, claim.agrees, fit

    best = max(map(evidence, rivals))
    equal = [claim for claim in rivals if evidence(claim) == best]
    taken = equal[0]
    content = sorted(taken.annotation.boxes, key=str)
    if any(sorted(claim.annotation.boxes, key=str) != content for claim in equal):
        for claim in rivals:
            others = some_of([other.annotation.file for other in rivals if other is not claim], 3)
            result.drop(claim, "photo has several annotations that differ", f"{photo}, also in {others}", [photo])
        return
    result.annotations[photo] = taken.annotation
    for claim in rivals:
        if claim is not taken:
            same = sorted(claim.annotation.boxes, key=str) == content
            detail = f"{photo} in {taken.annotation.file}"
            result.drop(claim, "photo has another annotation", detail, [] if same else [photo])
    _note_match(photo, taken, result)


def _note_match(photo: str, claim: Claim, result: Pairing) -> None:
    log = Problems(claim.annotation.file)
    by_filename = claim.by_filename == photo
    other_name = "" if claim.annotation.is_named_by_its_file else "the annotation's own name"
    match = claim.filename_match if by_filename else claim.name_match or other_name
    if claim.conflicts and by_filename:
        log.add(
            "repaired",
            "photo found by <filename>, not by the annotation's own name",
            f"{photo}, not {claim.by_name[0]}",
        )
    elif claim.agrees and match and not claim.name_match:
        log.add("repaired", "photo found by the annotation's own name", f"{photo} for '{claim.annotation.photo}'")
    elif match:
        log.add("repaired", f"photo found by {match}", f"{photo} for '{claim.annotation.photo}'")
    result.problems += log.entries


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
