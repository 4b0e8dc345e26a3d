"""Result sets without a project: detections on photos of one garment each."""

from apparel.analysis.result_sets import ResultSet
from tests.support.box_tables import LEFT, RIGHT, detection_table, photo_table, truth_table

NAMES = [f"{number:02}.jpg" for number in range(30)]


def result_set(name, detections, names=NAMES, ground_truth=None, classes=("Tops",), sha256="0", **provenance):
    """Results on photos of one garment each."""
    if ground_truth is None:
        ground_truth = truth_table(*((photo, "Tops", LEFT) for photo in names))
    provenance = {"params": {}, "data": {}, "code": {"commit": "0123456789"}} | provenance
    return ResultSet(
        name=name,
        photos=photo_table(names).assign(sha256=sha256),
        ground_truth=ground_truth,
        detections=detections,
        thresholds=dict.fromkeys(classes, 0.5),
        model=None,
        run=None,
        read_photo=lambda photo: (_ for _ in ()).throw(FileNotFoundError(photo)),
        **provenance,
    )


def finds(names, wrong=()):
    """Detections of the garments on these photos, and wrong ones on `wrong`."""
    return detection_table(
        *((name, "Tops", 0.9, LEFT) for name in names), *((name, "Tops", 0.95, RIGHT) for name in wrong)
    )
