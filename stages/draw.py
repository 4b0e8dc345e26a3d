"""Draws the demo data set: `python -m stages.draw`, from the project's root folder."""

from typing import Annotated

from pydantic import Field

from apparel import errors, params, paths
from apparel.data.synthetic.dataset import draw_data_set
from apparel.utils.sections import Section
from apparel.versioning.stage import stage

DEMO = paths.DATA / "demo"


class Draw(Section):
    """Section `draw` of data/demo/params.yaml; `size` is width and height of a photo in pixels."""

    photos: params.Count
    photos_without_garment: Annotated[int, Field(ge=0)]
    size: Annotated[int, Field(ge=64, le=4096)]
    seed: params.Seed


class DemoParams(Section):
    """All sections of data/demo/params.yaml."""

    draw: Draw


@stage("draw")
def main() -> None:
    config = params.load(DEMO / "params.yaml", DemoParams).draw
    if config.photos_without_garment > config.photos:
        raise errors.UserError(f"{DEMO / 'params.yaml'}: draw.photos_without_garment is more than draw.photos")
    labels = draw_data_set(DEMO, config.photos, config.photos_without_garment, config.size, config.seed)
    print(f"{config.photos:,} photos with {len(labels):,} garments drawn in {DEMO}")


if __name__ == "__main__":
    errors.script(main, __doc__)
