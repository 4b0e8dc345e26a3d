"""Import of starting weights: a checkpoint of one of TensorFlow's detection model zoos, or a Keras `.h5`."""

import re
from collections.abc import Sequence
from pathlib import Path

from apparel.data.ingest.archives import Entry, check_copies_fit, move_or_copy
from apparel.errors import UserError, plain
from apparel.utils import files, keras_weights, limits, tensor_bundle

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""First bytes of an HDF5 file, such as Keras's `.h5`."""

CHECKPOINT_STATE = 'model_checkpoint_path: "ckpt-0"\nall_model_checkpoint_paths: "ckpt-0"\n'
"""Content of the file `checkpoint`, in which TensorFlow looks up the latest checkpoint of a folder."""


TF1_NAMES = r"(FeatureExtractor/)?MobilenetV1/Conv2d_0/weights$"
"""Name of a tensor of the checkpoints of TensorFlow 1 that are read: apparel/models/tf1_checkpoint.py."""


def find_checkpoint(entries: Sequence[Entry]) -> dict[str, Entry]:
    """Finds the files of the one checkpoint among a source's files; returns them by the name that each gets.

    These are `checkpoint/ckpt-0.*`, whatever number the checkpoint has, `pipeline.config`, and `classes.json` if this
    project wrote the checkpoint; or one Keras `.h5`. Exported models (`saved_model`) are not checkpoints.

    Raises:
        UserError: there is no checkpoint, there are several, or a part is missing.
    """
    entries = [entry for entry in entries if "saved_model" not in entry.name.split("/")]
    indexes = [entry for entry in entries if entry.base.endswith(".index")]
    weights = [entry for entry in entries if _is_hdf5(entry.path)]
    if len(indexes) + len(weights) != 1:
        several = ", ".join(plain(entry.name) for entry in indexes + weights)
        raise UserError(
            f"there are several checkpoints: {several}; name the one to import with --only"
            if several
            else "no checkpoint among the files: expected checkpoint/ckpt-0.index and its data, or a Keras .h5"
        )
    if weights:
        return {weights[0].base: weights[0]}
    return _zoo_files(indexes[0], {entry.name: entry for entry in entries})


def copy_checkpoint(checkpoint: dict[str, Entry], folder: Path, work: Path) -> None:
    """Makes the checkpoint's folder, and reads every tensor once to check it.

    Args:
        checkpoint: from `find_checkpoint`.
        folder: the folder to make.
        work: files that lie in this folder are moved, others are copied.

    Raises:
        UserError: the checkpoint is damaged, declares more than it holds, or is one of TensorFlow 1 of
            another network than MobileNet v1.
    """
    for name, entry in checkpoint.items():
        limit = limits.MAX_PIPELINE_BYTES if name.endswith((".config", ".json")) else limits.MAX_WEIGHTS_BYTES
        if entry.path.stat().st_size > limit:
            raise UserError(f"{plain(entry.name)} is larger than {limit:,} bytes, too large for a {Path(name).name}")
    check_copies_fit(checkpoint.values(), folder.parent, work)
    for name, entry in checkpoint.items():
        move_or_copy(entry, folder / name, work)
    if "checkpoint/ckpt-0.index" in checkpoint:
        files.write_text(folder / "checkpoint" / "checkpoint", CHECKPOINT_STATE)
        _check_checkpoint(folder / "checkpoint" / "ckpt-0", checkpoint["checkpoint/ckpt-0.index"].name)
    else:
        (name,) = checkpoint
        _check_keras(folder / name)


def stage_weights(entries: Sequence[Entry], folder: Path, target: Path) -> tuple[dict[str, Path], dict[str, int]]:
    """Finds the checkpoint among a source's files, copies it into a staging folder, and prints its files.

    Returns:
        Where the folder of weights goes, by its name in the staging folder, and the number of files.
    """
    checkpoint = find_checkpoint(entries)
    copy_checkpoint(checkpoint, folder / "weights", folder / "work")
    print(f"weights: {', '.join(sorted(checkpoint))}")
    return {"weights": target}, {"files": len(checkpoint)}


def _zoo_files(index: Entry, entries: dict[str, Entry]) -> dict[str, Entry]:
    """Returns the files of a checkpoint of the model zoo, given its index and all files by name."""
    prefix = index.name.removesuffix(".index")
    shards = {entry.name: entry for entry in entries.values() if entry.name.startswith(f"{prefix}.data-")}
    totals = {int(number) for name in shards for number in re.findall(r"\.data-\d{5}-of-(\d{5})$", name)}
    if len(totals) != 1 or len(shards) != max(totals):
        raise UserError(
            f"{plain(prefix)}: {len(shards)} of {max(totals, default=1)} data files of the checkpoint are in the source"
        )
    folders = prefix.split("/")[:-1]
    for folder in (folders[:-1], folders):
        config = entries.get("/".join([*folder, "pipeline.config"]))
        if config:
            break
    else:
        raise UserError(f"{plain(prefix)} has no pipeline.config in its folder or the one above")
    files_by_name = {f"checkpoint/ckpt-0{name.removeprefix(prefix)}": entry for name, entry in shards.items()}
    files_by_name |= {"checkpoint/ckpt-0.index": index, "pipeline.config": config}
    classes = entries.get("/".join([*folder, "classes.json"]))
    return files_by_name | ({"classes.json": classes} if classes else {})


def _check_checkpoint(prefix: Path, name: str) -> None:
    """Raises a `UserError` unless every tensor is as it was written, by its checksum."""
    try:
        tensors = tensor_bundle.read_index(prefix)
        tensor_bundle.check_checksums(prefix)
    except UserError as error:
        reason = _without_folder(error, prefix.parent)
        raise UserError(f"{plain(name)} is a damaged checkpoint ({reason}); nothing was imported") from None
    if tensor_bundle.OBJECT_GRAPH not in tensors and not any(re.match(TF1_NAMES, tensor) for tensor in tensors):
        raise UserError(
            f"{plain(name)} is a checkpoint of TensorFlow 1, of which those of MobileNet v1 are read; nothing was "
            "imported"
        )


def _check_keras(path: Path) -> None:
    """Raises a `UserError` unless this is an undamaged file of weights as Keras saves them."""
    try:
        with keras_weights.opened(path) as layers:
            keras_weights.layer_names(layers)
    except UserError as error:
        raise UserError(f"{_without_folder(error, path.parent)}; nothing was imported") from None


def _without_folder(error: UserError, folder: Path) -> str:
    """The message of an error without the staging folder."""
    return str(error).replace(f"{folder}/", "").replace(f"{folder}\\", "")


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
