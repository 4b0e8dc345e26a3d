"""What an SSD is trained by beyond the Object Detection API's pipeline file: assignment, quality focal loss, box loss.

The pipeline file has the nearest that the API has; the rest is `criterion.json` in the model's folder, so that eval
measures the loss that the training did.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from apparel.errors import UserError
from apparel.models.tfod.pipeline_file import PipelineConfig
from apparel.params import Train
from apparel.utils import files

FILE = "criterion.json"
"""Written where the pipeline file alone does not say it."""


@dataclass(frozen=True)
class Criterion:
    """Assignment and losses.

    Attributes:
        assignment: how anchors are assigned to boxes: `iou` is by the pipeline file's matcher.
        quality_focal: whether the target of a positive anchor's class is the IoU of its prediction, not 1.
        box_loss: the loss on decoded boxes; None: the pipeline file's, on encoded boxes.
    """

    assignment: Literal["iou", "atss", "dynamic"] = "iou"
    quality_focal: bool = False
    box_loss: Literal["giou", "ciou"] | None = None

    @property
    def is_of_the_api(self) -> bool:
        """Whether the API's own loss is right."""
        return self == Criterion()


def criterion_of(config: PipelineConfig, train: Train | None = None) -> Criterion:
    """The criterion of a merged pipeline file, and of the section `train` that it was merged with.

    The API itself applies `weighted_giou` in an SSD to encoded boxes, whose GIoU means nothing; here they are decoded.
    """
    box_loss = config.model.ssd.loss.localization_loss.WhichOneof("localization_loss")
    criterion = Criterion(box_loss="giou" if box_loss == "weighted_giou" else None)
    if train is None:
        return criterion
    return Criterion(
        train.assignment,
        quality_focal=train.classification_loss == "quality_focal",
        box_loss="ciou" if train.box_loss == "ciou" else criterion.box_loss,
    )


def read_criterion(folder: Path, config: PipelineConfig) -> Criterion:
    """The criterion of the trained model in a folder.

    Raises:
        UserError: the file is damaged.
    """
    file = folder / FILE
    try:
        return Criterion(**json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return criterion_of(config)
    except (ValueError, TypeError):
        raise UserError(f"{file} is damaged; run `dvc repro --force train`") from None


def write_criterion(criterion: Criterion, folder: Path, config: PipelineConfig) -> None:
    """Writes `FILE` where the pipeline file does not say the same."""
    if criterion != criterion_of(config):
        files.write_json(folder / FILE, asdict(criterion))
