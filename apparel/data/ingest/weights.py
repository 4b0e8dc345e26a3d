"""Starting weights brought in: a TensorFlow 2 checkpoint of the Object Detection API's model zoo, or a Keras `.h5`."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from apparel.data.ingest.archives import Entry, make_room
from apparel.data.ingest.dataset import bring
from apparel.errors import UserError, one_line, plain
from apparel.utils import files

HDF5 = b"\x89HDF\r\n\x1a\n"

FIRST_CHANNELS = 32
"""Filters of the first layer, `conv1`, of a MobileNet v1 at a depth multiplier of 1 (Howard et al. 2017, table 1)."""

STATE = 'model_checkpoint_path: "ckpt-0"\nall_model_checkpoint_paths: "ckpt-0"\n'
"""The file `checkpoint`, by which TensorFlow finds the newest of several."""


def find(entries: Sequence[Entry]) -> dict[str, Entry]:
    """The files of the one checkpoint among a source's files, by the name that each gets.

    Those are `checkpoint/ckpt-0.*` and `pipeline.config`, whatever number the checkpoint has, and `classes.json` where
    this project wrote it; or one Keras `.h5`. Exported models (`saved_model`) are left out.

    Raises:
        UserError: there is none, there are several, or a part is missing.
    """
    entries = [entry for entry in entries if "saved_model" not in entry.name.split("/")]
    indexes = [entry for entry in entries if entry.base.endswith(".index")]
    weights = [entry for entry in entries if _is_hdf5(entry.path)]
    if len(indexes) + len(weights) != 1:
        several = ", ".join(plain(entry.name) for entry in indexes + weights)
        raise UserError(
            f"there are several checkpoints: {several}; name the one to take with --only"
            if several
            else "no checkpoint among the files: expected checkpoint/ckpt-0.index and its data, or a Keras .h5"
        )
    if weights:
        return {weights[0].base: weights[0]}
    return _zoo_files(indexes[0], {entry.name: entry for entry in entries})


def lay_out(found: dict[str, Entry], folder: Path, work: Path) -> None:
    """Makes the checkpoint's folder, and reads every tensor in it once.

    Raises:
        UserError: the checkpoint is damaged, or not one of TensorFlow 2.
    """
    sizes = [(entry.path.stat().st_size, work in entry.path.parents) for entry in found.values()]
    make_room(folder.parent, sum(size if moves else 2 * size for size, moves in sizes))
    for name, entry in found.items():
        bring(entry, folder / name, work)
    if "checkpoint/ckpt-0.index" in found:
        files.write_text(folder / "checkpoint" / "checkpoint", STATE)
        _check_checkpoint(folder / "checkpoint" / "ckpt-0", found["checkpoint/ckpt-0.index"].name)
    else:
        (name,) = found
        _check_keras(folder / name)


def parameters(folder: Path) -> dict[str, object]:
    """What the section `train` of params.yaml needs for these weights besides their name, as far as they tell."""
    import h5py

    from apparel.models.tfod import pipeline_file

    keras = next(iter(sorted(folder.glob("*.h5"))), None)
    if keras:
        with h5py.File(keras, "r") as file, suppress(KeyError, TypeError, IndexError, AttributeError):
            layer = file.get("model_weights", file)["conv1"]
            channels = layer[layer.attrs["weight_names"][0]].shape[-1]
            return {"checkpoint_type": "backbone", "depth_multiplier": channels / FIRST_CHANNELS}
        return {"checkpoint_type": "backbone"}
    try:
        model = pipeline_file.read(folder / "pipeline.config").model
    except UserError:
        return {}
    if model.WhichOneof("model") != "ssd":
        return {}
    size = model.ssd.image_resizer.fixed_shape_resizer
    square = {"resolution": size.height} if size.height == size.width > 0 else {}
    return {"depth_multiplier": round(model.ssd.feature_extractor.depth_multiplier, 4)} | square


def _zoo_files(index: Entry, entries: dict[str, Entry]) -> dict[str, Entry]:
    prefix = index.name.removesuffix(".index")
    shards = {entry.name: entry for entry in entries.values() if entry.name.startswith(f"{prefix}.data-")}
    totals = {int(number) for name in shards for number in re.findall(r"\.data-\d{5}-of-(\d{5})$", name)}
    if len(totals) != 1 or len(shards) != max(totals):
        raise UserError(
            f"{plain(prefix)}: {len(shards)} of its data files are there, {max(totals, default=1)} belong to it"
        )
    folders = prefix.split("/")[:-1]
    for folder in (folders[:-1], folders):
        config = entries.get("/".join([*folder, "pipeline.config"]))
        if config:
            break
    else:
        raise UserError(f"{plain(prefix)} has no pipeline.config in its folder or the one above")
    found = {f"checkpoint/ckpt-0{name.removeprefix(prefix)}": entry for name, entry in shards.items()}
    found |= {"checkpoint/ckpt-0.index": index, "pipeline.config": config}
    classes = entries.get("/".join([*folder, "classes.json"]))
    return found | ({"classes.json": classes} if classes else {})


def _check_checkpoint(prefix: Path, name: str) -> None:
    """TensorFlow compares the check sum of each tensor that is read."""
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(prefix))
        tensors = reader.get_variable_to_shape_map()
        for tensor in tensors:
            reader.get_tensor(tensor)
    except (tf.errors.OpError, LookupError, ValueError, RuntimeError) as error:
        reason = plain(one_line(error).replace(str(prefix.parent), ""))
        raise UserError(f"{plain(name)} is a damaged checkpoint ({reason}); nothing was imported") from None
    if "_CHECKPOINTABLE_OBJECT_GRAPH" not in tensors:
        raise UserError(f"{plain(name)} is a checkpoint of TensorFlow 1; nothing was imported")


def _check_keras(path: Path) -> None:
    import h5py

    try:
        with h5py.File(path, "r") as file:  # raises where the file was cut short
            known = "layer_names" in file.get("model_weights", file).attrs
    except (OSError, RuntimeError) as error:
        raise UserError(f"{plain(path.name)} is damaged ({plain(str(error))}); nothing was imported") from None
    if not known:
        raise UserError(f"{plain(path.name)} holds no weights as Keras saves them; nothing was imported")


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(HDF5)) == HDF5
