"""The network that detects fastest for a model: one of its exports where they are, else the model itself."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from apparel import paths
from apparel.errors import UserError
from apparel.models import thresholds
from apparel.versioning import dvc_hash

if TYPE_CHECKING:
    from apparel.inference.network import Network

RUNTIMES = {
    "tensorflow": None,
    "tflite": "tflite",
    "tflite_int8": "tflite_int8",
    "onnx": "onnx",
    "openvino": "onnx",
    "saved_model": "saved_model",
}
"""Format, a name of `paths.EXPORTS`, by the name of a runtime; None: the trained model itself."""

FASTEST_FIRST = ("tflite", "openvino", "onnx")
"""Runtimes that are tried unless the user names one, by their rates on photos one by one; int8 is less exact."""

RUNTIME_NAMES = {"openvino": "OpenVINO", "onnx": "ONNX Runtime"}
"""What `networks.load` calls the runtimes of a format that several run."""


def is_trained_model(path: Path) -> bool:
    """Whether a path is the folder of a trained model; that of a SavedModel has a pipeline file, too."""
    return (path / "pipeline.config").is_file() and not (path / "saved_model.pb").exists()


def files_of(path: Path) -> list[Path]:
    """The files and folders whose change may change what `choose` loads: the model, and the exports that it tries."""
    from apparel.inference import ensemble_file  # only here: for `--help` NumPy and pydantic would take half a second

    if ensemble_file.is_ensemble(path):
        from apparel.analysis import ensembles

        return ensembles.files_of(path)
    if not is_trained_model(path):
        return [path]
    exports = dict.fromkeys(paths.EXPORTS[RUNTIMES[name]] for name in FASTEST_FIRST)
    return [path, *(file for file in exports if file.exists())]


def choose(
    path: Path, runtime: str | None, load: Callable[[Path, str | None], list["Network"]] | None = None
) -> tuple[list["Network"], Path, list[str]]:
    """Loads the fastest network of a model, as often as there are threads to use it.

    Args:
        path: folder of a trained model, an exported file, or the file of an ensemble.
        runtime: a name of `RUNTIMES`; None: the fastest that there is.
        load: loads a file or folder by the name that `networks.load` has for the runtime; None: once a core, or once
            where the runtime has threads of its own.

    Returns:
        The networks, the file or folder they are of, and notes for the user.

    Raises:
        UserError: there is no such export of the model, or it cannot be loaded.
    """
    from apparel.inference import ensemble_file

    if ensemble_file.is_ensemble(path):
        return _choose_ensemble(path, runtime)
    load, notes = load or _load, []
    if not is_trained_model(path):
        if runtime == "tensorflow":
            raise UserError(f"{path} is an exported model, which has no runtime tensorflow; leave --runtime out")
        return load(path, RUNTIME_NAMES.get(runtime or "")), path, notes
    if not (path / thresholds.FILE).exists():
        notes.append("the model was trained before thresholds came with it: 0.5 is taken for every class")
    if runtime == "tensorflow":
        return load(path, None), path, notes
    model = dvc_hash.path_hash(path)
    for name in [runtime] if runtime else FASTEST_FIRST:
        file = paths.EXPORTS[RUNTIMES[name]]
        try:
            if not file.exists():
                raise UserError(f"{file} not found; `apparel export --format {RUNTIMES[name]}` writes it")
            loaded = load(file, RUNTIME_NAMES.get(name))
            if loaded[0].metadata.model != model:
                raise UserError(f"{file} is of another model; `apparel export` writes it again")
            return loaded, file, notes
        except UserError as error:
            if runtime:
                raise
            if file.exists():
                notes.append(f"not used: {error}")
    return load(path, None), path, notes


def _choose_ensemble(path: Path, runtime: str | None) -> tuple[list["Network"], Path, list[str]]:
    """An ensemble once, each member on all cores: several in memory would take several times the memory of each."""
    from apparel.analysis import ensembles

    if runtime:
        raise UserError(f"{path}: the members of an ensemble run on what they are named by, such as an exported file")
    loaded = ensembles.load(path)
    return [loaded.network], path, list(loaded.notes)


def _load(path: Path, name: str | None) -> list["Network"]:
    from apparel.inference import networks  # `apparel predict --help` needs none of its imports

    if path.is_dir():  # TensorFlow, which has threads of its own and detects on batches
        return [networks.load(path, name)]
    return [networks.load(path, name, threads=1) for _ in range(os.cpu_count() or 1)]
