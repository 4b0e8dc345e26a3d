"""Prerequisites of a run: whether the files that params.yaml names are there and fit it, told in seconds."""

import re
from pathlib import Path

from apparel import params, paths
from apparel.errors import UserError, nearest
from apparel.models import packaged_weights, pipeline_config
from apparel.models.checkpoint_params import read_checkpoint_params
from apparel.models.export import support
from apparel.models.tfod import pipeline_file
from apparel.models.tfod.pipeline_file import extractor
from apparel.versioning import git

MOBILENET = "ssd_mobilenet_v1"
"""Start of the feature extractors' names whose layers have the same width at the same `train.depth_multiplier`."""


NETWORKS = r"mobilenet_v1|efficientnet_lite\d"
"""Backbones in the feature extractors' names, of which none takes weights of another one."""


def check_parameters(config: params.Params) -> None:
    """Checks what all stages will read, before the first one writes or DVC removes anything.

    Photos and annotations are looked for, not read: the stage convert does that.

    Raises:
        UserError: the data set, a list of it, the weights or the pipeline file is missing, or does not fit the
            parameters; names all that is wrong, each with the nearest name.
    """
    problems = []
    for find_problem in (
        _data_set_problem,
        _lists_problem,
        _unlabelled_problem,
        _pipeline_problem,
        _weights_problem,
        _export_problem,
    ):
        if problem := find_problem(config):
            problems.append(problem)
    if problems:
        raise UserError("; ".join(problems))


def check_copies(config: params.Params) -> None:
    """Checks that a copy of the project, such as trials and folds are trained in, gets the photos and weights.

    Git leaves them out, so DVC has to know them. `apparel import` sees to it; folders that were copied here have no
    `.dvc` file.

    Raises:
        UserError: names the folders that only this one has, and the command that adds them.
    """
    data = paths.DATA / config.data.name
    folders = [] if _is_drawn(data) else [data / name for name in ("photos", "annotations", "lists")]
    if config.train.checkpoint != "none" and packaged_weights.read(paths.PRETRAINED / config.train.checkpoint) is None:
        folders.append(paths.PRETRAINED / config.train.checkpoint)
    if config.data.unlabelled != "none":
        folders.append(paths.UNLABELLED / config.data.unlabelled)
    unknown = [folder for folder in folders if folder.is_dir() and not _dvc_file(folder).is_file()]
    if unknown and (tracked := git.tracked_files()):
        unknown = [path for path in unknown if not any(name.startswith(f"{path.as_posix()}/") for name in tracked)]
    if unknown:
        names = " ".join(folder.as_posix() for folder in unknown)
        verb = "are" if len(unknown) > 1 else "is"
        raise UserError(
            f"{names} {verb} known to neither DVC nor git, so a copy of the project would lack them: "
            f"`dvc add {names}`, then `git add data` and `git commit`"
        )


def data_sets() -> list[str]:
    """The names of the data sets in data/, their photos there or only known to DVC; `demo` is drawn by the pipeline."""
    folders = [folder for folder in paths.DATA.glob("*") if folder.is_dir()]
    return sorted(folder.name for folder in folders if _is_drawn(folder) or _is_known(folder / "photos"))


def weights() -> list[str]:
    """The names of the weights in data/pretrained, there or only known to DVC, and `none`."""
    return _known_folders(paths.PRETRAINED)


def unlabelled() -> list[str]:
    """The names of the folders of unlabelled photos, there or only known to DVC, and `none`."""
    return _known_folders(paths.UNLABELLED)


def _known_folders(parent: Path) -> list[str]:
    known = {path.name.removesuffix(".dvc") for path in parent.glob("*.dvc")}
    return sorted(known | {path.name for path in parent.glob("*") if path.is_dir()} | {"none"})


def _data_set_problem(config: params.Params) -> str | None:
    name = config.data.name
    folder = paths.DATA / name
    if _is_drawn(folder):
        return None
    if name not in data_sets():
        hint = nearest(name, data_sets())
        return f"data.name: there are no photos 'data/{name}'{hint} (new ones: apparel import SOURCE --name {name})"
    return _not_checked_out(folder / "photos") or _not_checked_out(folder / "annotations")


def _lists_problem(config: params.Params) -> str | None:
    folder = paths.lists(config.data.name)
    for key in ("test_list", "train_list", "val_list"):
        name = getattr(config.split, key)
        if name and folder.is_dir() and not (folder / name).is_file():
            lists = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
            return f"split.{key}: there is no list '{name}' in {folder.as_posix()}{nearest(name, lists)}"
    return None


def _unlabelled_problem(config: params.Params) -> str | None:
    name = config.data.unlabelled
    folder = paths.UNLABELLED / name
    if name == "none":
        return None
    if problem := _folder_problem(folder, "data.unlabelled", "photos", "--unlabelled"):
        return problem
    if config.train.teacher == "labels" and not any(folder.glob("*.xml")):
        return (
            f"train.teacher is 'labels', and there are none in {folder.as_posix()}: "
            f"apparel predict {folder.as_posix()} --model MODEL --xml writes them"
        )
    return None


def _folder_problem(folder: Path, key: str, content: str, option: str) -> str | None:
    """What keeps an imported folder from being read: it is unknown, or only known to DVC."""
    known = _known_folders(folder.parent)
    if folder.name in known:
        return _not_checked_out(folder)
    return (
        f"{key}: there are no {content} '{folder.as_posix()}'{nearest(folder.name, known)} "
        f"(new ones: apparel import SOURCE {option} --name {folder.name})"
    )


def _pipeline_problem(config: params.Params) -> str | None:
    try:
        pipeline_config.merge(config.train, len(config.data.classes), steps=1)
    except UserError as error:
        return str(error)
    return None


def _weights_problem(config: params.Params) -> str | None:
    name = config.train.checkpoint
    folder = paths.PRETRAINED / name
    if name == "none":
        return None
    if problem := _folder_problem(folder, "train.checkpoint", "weights", "--checkpoint"):
        return problem
    if problem := _packaged_weights_problem(folder, config.train.detector):
        return problem
    needed = read_checkpoint_params(folder)
    if problem := _network_problem(folder, needed, config.train.detector):
        return problem
    for key in _dictated(folder, config.train.detector) & needed.keys():
        if getattr(config.train, key) != needed[key]:
            return f"train.{key} is {getattr(config.train, key)}, but the weights {name} are of {needed[key]}: set that"
    return None


def _packaged_weights_problem(folder: Path, detector: str) -> str | None:
    """What keeps weights that come with the installation from a detector: they are not installed, or are another's."""
    try:
        packaged = packaged_weights.read(folder)
        if packaged is None:
            return None
        packaged.path()
    except UserError as error:
        return f"train.checkpoint: {error}"
    if packaged.network in extractor(paths.CONFIGS / f"{detector}.config"):
        return None
    fitting = [path.stem for path in paths.CONFIGS.glob("*.config") if packaged.network in extractor(path)]
    of = " and ".join(sorted(fitting))
    return f"train.detector is {detector}, but the weights {folder.name} are for {of}: set one of them"


def _network_problem(folder: Path, needed: dict[str, object], detector: str) -> str | None:
    """What keeps a checkpoint or a `.h5` from a detector: it is of another backbone, as far as `NETWORKS` tells."""
    is_keras_mobilenet = any(folder.glob("*.h5")) and "depth_multiplier" in needed
    stored = MOBILENET if is_keras_mobilenet else extractor(folder / "pipeline.config")
    networks = [re.search(NETWORKS, kind) for kind in (stored, extractor(paths.CONFIGS / f"{detector}.config"))]
    if not all(networks) or networks[0][0] == networks[1][0]:
        return None
    return (
        f"train.checkpoint is {folder.name}, weights of {networks[0][0]}, but the detector {detector} is of "
        f"{networks[1][0]}: set one of them"
    )


def _export_problem(config: params.Params) -> str | None:
    try:
        pipeline = pipeline_file.read(paths.CONFIGS / f"{config.train.detector}.config")
    except UserError:
        return None  # the pipeline file's own problem
    for name in config.export.formats:
        try:
            support.check_format(pipeline, name)
        except UserError as error:
            return f"export.formats: {error}"
    return None


def _dictated(folder: Path, detector: str) -> set[str]:
    """The parameters that weights dictate: with others the training would end at once, with weights of another shape.

    Other networks than MobileNet v1 may be restored in part; the training itself says what fits.
    """
    if any(folder.glob("*.h5")) or (folder / packaged_weights.FILE).is_file():
        return {"checkpoint_type", "depth_multiplier"}
    kinds = [extractor(path) for path in (folder / "pipeline.config", paths.CONFIGS / f"{detector}.config")]
    return {"depth_multiplier"} if all(kind.startswith(MOBILENET) for kind in kinds) else set()


def _is_drawn(folder: Path) -> bool:
    return (folder / "dvc.yaml").is_file()


def _is_known(folder: Path) -> bool:
    return folder.is_dir() or _dvc_file(folder).is_file()


def _not_checked_out(folder: Path) -> str | None:
    if folder.is_dir():
        return None
    file = _dvc_file(folder)
    if file.is_file():
        return f"{folder.as_posix()} is not here; `dvc checkout {file.as_posix()}` or `dvc pull {file.as_posix()}`"
    return f"{folder.as_posix()} is not here, nor known to DVC; import it again"


def _dvc_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.dvc")
