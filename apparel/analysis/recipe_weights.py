"""Starting weights of a recipe for an imported data set: imported ones that a detector here takes, else COCO's."""

from dataclasses import dataclass
from pathlib import Path

from apparel import paths
from apparel.models import packaged_weights
from apparel.models.checkpoint_params import read_checkpoint_params

COCO = "coco"
"""Name of the weights where none are imported yet."""

IMPORT_COCO = f"apparel import --checkpoint ssd_mobilenet_v1_0.75_depth_coco --name {COCO}"
"""The detector that the recipes for the apparel photos start from, by its name in TensorFlow's model zoo."""

NEEDED = ("detector", "depth_multiplier")
"""What weights have to tell of themselves, so that a recipe can name them."""

USUAL = {"checkpoint_type": "detection", "resolution": 300}
"""Of weights that say nothing else: backbones have no resolution, and the pipeline files have this one."""

COCO_PARAMS = USUAL | {"detector": "ssd_mobilenet_v1", "depth_multiplier": 0.75}
"""What COCO's weights need; `read_checkpoint_params` reads it once they are imported."""


@dataclass(frozen=True)
class RecipeWeights:
    """Weights for a recipe.

    Attributes:
        name: of their folder in data/pretrained.
        params: `detector`, `checkpoint_type`, `depth_multiplier` and `resolution`, keys of params.yaml's `train`.
        left_out: why other imported weights were not taken, a sentence each.
    """

    name: str
    params: dict[str, object]
    left_out: tuple[str, ...] = ()

    @property
    def is_missing(self) -> bool:
        """Whether they have yet to be imported."""
        return not (paths.PRETRAINED / self.name).is_dir()

    @property
    def is_backbone(self) -> bool:
        """Whether they have no heads."""
        return self.params["checkpoint_type"] == "backbone"

    @property
    def about(self) -> str:
        """What they are."""
        if self.name == COCO:
            return "a detector trained on COCO"
        return "imported weights of a backbone" if self.is_backbone else "imported weights of a detector"


def choose() -> RecipeWeights:
    """The weights that were imported, `coco` first, those of a whole detector before a backbone's; COCO's if none."""
    fitting, left_out = [], []
    for folder in sorted(filter(_is_imported, paths.PRETRAINED.glob("*")), key=lambda path: (path.name != COCO, path)):
        told = read_checkpoint_params(folder)
        if all(key in told for key in NEEDED):
            fitting.append(RecipeWeights(folder.name, USUAL | told))
        else:
            left_out.append(
                f"the weights {folder.name} are not taken: their files do not tell that a detector of configs/ has "
                "their layers; if you know one, set train.detector and train.checkpoint"
            )
    chosen = min(fitting, key=lambda weights: weights.is_backbone, default=RecipeWeights(COCO, COCO_PARAMS))
    return RecipeWeights(chosen.name, chosen.params, tuple(left_out))


def _is_imported(folder: Path) -> bool:
    """Whether a folder holds weights that did not come with the project."""
    return folder.is_dir() and folder.name != "none" and not (folder / packaged_weights.FILE).is_file()
