"""Ensembles from their files: each member found by its name and loaded, and what does not go together refused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from apparel import paths
from apparel.analysis import model_sources, result_sets
from apparel.boxes import is_file_name
from apparel.errors import UserError, plain
from apparel.inference import ensemble_file, networks
from apparel.inference.ensemble import EnsembleNetwork, View
from apparel.inference.ensemble_file import EnsembleConfig, Member
from apparel.inference.network import Network
from apparel.models.metadata import Metadata
from apparel.models.thresholds import Thresholds
from apparel.utils import buckets, csv_tables
from apparel.versioning import dvc_lock
from apparel.versioning.dvc_lock import Lock

Load = Callable[[Path, Member], Network]


@dataclass(frozen=True)
class Ensemble:
    """A loaded ensemble.

    Attributes:
        path: its file.
        config: what that says.
        members: the network of each member.
        network: all of them with the fusion.
        notes: for the user.
    """

    path: Path
    config: EnsembleConfig
    members: tuple[Network, ...]
    network: EnsembleNetwork
    notes: tuple[str, ...]

    def views_of(self, number: int) -> list[int]:
        """Positions in `network.views` of those of a member."""
        first = sum(member.views for member in self.config.members[:number])
        return list(range(first, first + self.config.members[number].views))


def find(name: str) -> Path:
    """The file of an ensemble, by its name in configs/ensembles or its path.

    Raises:
        UserError: there is none, or its results would have no name of their own.
    """
    if (path := ensemble_file.find_path(name)) is not None:
        if path.stem == result_sets.WORKSPACE or not is_file_name(path.stem):
            raise UserError(f"{plain(str(path))}: '{plain(path.stem)}' cannot be the name of results; rename the file")
        return path
    if buckets.ADDRESS.match(name):
        raise UserError(f"{plain(name)}: the file of an ensemble lies on this machine; its members may lie in buckets")
    names = ", ".join(sorted(path.stem for path in ensemble_file.FOLDER.glob("*.yaml"))) or "none"
    raise UserError(f"there is no ensemble '{plain(name)}' in {ensemble_file.FOLDER.as_posix()}; there are: {names}")


def member_paths(path: Path, config: EnsembleConfig) -> list[Path]:
    """The folder or file of each member's model.

    Raises:
        UserError: one is not to be had, or is itself an ensemble; names the member.
    """
    found = []
    for member in config.members:
        try:
            found.append(model_sources.resolve(member.model))
        except UserError as error:
            raise UserError(f"{path}, member {member.model}: {error}") from None
        if ensemble_file.is_ensemble(found[-1]):
            raise UserError(f"{path}, member {member.model}: a member is a model, no other ensemble")
    return found


def files_of(path: Path) -> list[Path]:
    """The files and folders whose change may change what `load` gives."""
    thresholds = ensemble_file.thresholds_file(path)
    own = [path, *([thresholds] if thresholds.is_file() else [])]
    return [*own, *dict.fromkeys(member_paths(path, ensemble_file.read(path)))]


def load(path: Path, threads: int | None = None, load_member: Load | None = None) -> Ensemble:
    """Loads the members of an ensemble.

    Each runs on what its name stands for: a trained model in TensorFlow, an exported file on its own runtime.

    Args:
        path: its file.
        threads: processor threads; None: as many as there are.
        load_member: loads a model; None: as the member says.

    Raises:
        UserError: the file or a member cannot be read, the members have other classes or another order of them, or two
            are alike.
    """
    config = ensemble_file.read(path)
    load_member = load_member or (lambda model, member: _load_member(model, member, threads))
    members = []
    for member, model in zip(config.members, member_paths(path, config), strict=True):
        try:
            members.append(load_member(model, member))
        except UserError as error:
            raise UserError(f"{path}, member {member.model}: {error}") from None
    _check_members(path, config, members)
    metadata, notes = _metadata(path, config, [network.metadata for network in members])
    views = [
        View(network, share / member.views, is_mirrored)
        for member, share, network in zip(config.members, config.shares, members, strict=True)
        for is_mirrored in (False, True)[: member.views]
    ]
    return Ensemble(path, config, tuple(members), EnsembleNetwork(views, config.fusion.iou, metadata), tuple(notes))


def _load_member(model: Path, member: Member, threads: int | None) -> Network:
    if member.resolution is None:
        return networks.load(model, threads=threads)
    from apparel.inference import other_resolution  # TensorFlow, which exports do without

    return other_resolution.load(model, member.resolution)


def _check_members(path: Path, config: EnsembleConfig, members: Sequence[Network]) -> None:
    """Raises a `UserError` for members that do not go together."""
    first = members[0].metadata.classes
    for member, network in zip(config.members, members, strict=True):
        if (classes := network.metadata.classes) != first:
            how = "in another order" if sorted(classes) == sorted(first) else "other ones"
            raise UserError(
                f"{path}: the classes of {member.model} are {how}, {', '.join(classes)}, than those of "
                f"{config.members[0].model}, {', '.join(first)}; members are trained with the same data.classes"
            )
    seen: dict[tuple, str] = {}
    for member, network in zip(config.members, members, strict=True):
        metadata = network.metadata
        key = metadata.model, network.runtime, metadata.height, metadata.width
        if key in seen:
            raise UserError(
                f"{path}: {seen[key]} and {member.model} are the same model; a higher weight counts it more"
            )
        seen[key] = member.model


def _metadata(path: Path, config: EnsembleConfig, members: Sequence[Metadata]) -> tuple[Metadata, list[str]]:
    """The metadata of an ensemble, and what its user is told."""
    classes = members[0].classes
    model = ensemble_file.identity(config, [member.model for member in members])
    thresholds, notes = ensemble_file.read_thresholds(path, model, classes), []
    if thresholds is None:
        notes.append(
            f"{path.stem}: no thresholds were chosen for these members and weights, so the means of the members' are "
            f"taken; `apparel ensemble fit {path.stem}` chooses them on val"
        )
        thresholds = _mean_thresholds(config, members)
    height, width = (max(getattr(member, side) for member in members) for side in ("height", "width"))
    return Metadata(f"ensemble {path.stem} of {len(members)}", classes, thresholds, height, width, model), notes


def _mean_thresholds(config: EnsembleConfig, members: Sequence[Metadata]) -> Thresholds:
    scores = [metadata.thresholds.by_class for metadata in members]
    means = {
        name: min(1.0, sum(share * by_class[name] for share, by_class in zip(config.shares, scores, strict=True)))
        for name in members[0].classes
    }
    return Thresholds(means, None, {})


def check_not_seen(ensemble: Ensemble, judged: str) -> list[str]:
    """Looks for photos to be judged among those that a member was trained on, as far as dvc.lock tells.

    Models of the folds of a cross-validation have other splits than today's, but none was trained on photos of test.

    Args:
        ensemble: the ensemble.
        judged: val or test.

    Returns:
        Notes: on members of which it cannot be told, and on those that have seen photos of val where test is judged.

    Raises:
        UserError: a member was trained on photos that it would be judged on, or with another split that is not known.
    """
    split, today = paths.SPLIT.as_posix(), dvc_lock.read_workspace()
    unknown, saw_val = [], []
    for member, network in zip(ensemble.config.members, ensemble.members, strict=True):
        lock = dvc_lock.find_output(network.metadata.model)
        then = lock.hashes().get(split) if lock else None
        if then is None:
            unknown.append(member.model)
        elif then != today.hashes().get(split):
            seen = _seen_photos(lock, today)
            if seen is None or judged in seen:
                photos = f"photos of {judged} are" if seen else "photos that it would be judged on may be"
                raise UserError(
                    f"{ensemble.path}, member {member.model}: it was trained with another split than that of {split}, "
                    f"so {photos} among those that it was trained on; leave it out, or bring back the split.seed and "
                    "lists that it was trained with"
                )
            saw_val += [member.model] * ("val" in seen)
    notes = []
    if unknown:
        notes.append(
            f"whether these members were trained on photos of test or val cannot be told: {', '.join(unknown)}"
        )
    if saw_val:
        notes.append(f"these members were trained on photos of val, whose figures are too high: {', '.join(saw_val)}")
    return notes


def _seen_photos(lock: Lock, today: Lock) -> set[str] | None:
    """The splits of today with photos that a training learnt from or chose by; None where it cannot be told."""
    photos, then = (_divided_photos(each) for each in (today, lock))
    if not photos or photos != then or lock.revision is None:
        return None
    from dvc.api import DVCFileSystem

    table = paths.SPLIT / "photos.csv"
    try:
        with TemporaryDirectory() as folder:
            copy = Path(folder, table.name)
            result_sets.fetch_output(DVCFileSystem(rev=lock.revision), table, copy, lock.revision[:7])
            learnt = csv_tables.read(copy, ["filename", "split"])
    except UserError:
        return None
    names = set(learnt.loc[learnt["split"] != "test", "filename"])
    now = csv_tables.read(table, ["filename", "split"])
    return set(now.loc[now["filename"].isin(names), "split"])


def _divided_photos(lock: Lock) -> dict[str, str]:
    """The hash of the photos that the stage split divided, by their folder; none where it did not run."""
    read = lock.deps("split") if "split" in lock.stages else {}
    return {path: md5 for path, md5 in read.items() if PurePosixPath(path).name == paths.photos("x").name}
