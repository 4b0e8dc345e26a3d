"""Ensembles whose members are stand-ins, found by the name of a file."""

from pathlib import Path

from apparel.analysis import ensembles, model_sources
from apparel.errors import UserError
from apparel.inference import ensemble_file
from apparel.models.metadata import Metadata
from apparel.models.thresholds import Thresholds
from tests.support.stand_in_network import CLASSES, StandInNetwork


def write(text: str, name: str = "two") -> Path:
    """Writes `configs/ensembles/<name>.yaml` in the working directory."""
    path = ensemble_file.FOLDER / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def network(model: str, classes=CLASSES, side: int = 32, thresholds=(0.6, 0.5)) -> StandInNetwork:
    """A stand-in of that model."""
    made = StandInNetwork(model)
    by_class = Thresholds(dict(zip(classes, thresholds, strict=True)), None, {})
    made.metadata = Metadata("stand-in", tuple(classes), by_class, side, side, model)
    return made


def use(monkeypatch, **members: StandInNetwork) -> None:
    """Lets names of models stand for these networks; others are not to be had."""

    def resolve(name):
        if name not in members:
            raise UserError(f"there is no model '{name}'")
        return Path(name)

    monkeypatch.setattr(model_sources, "resolve", resolve)
    monkeypatch.setattr(ensembles, "_load_member", lambda path, member, threads: members[path.name])
