"""Loads a trained detector for the runtime that its files are made for."""

from pathlib import Path

from apparel.errors import UserError
from apparel.inference.network import Network


def load(path: Path, runtime: str | None = None, threads: int | None = None) -> Network:
    """Loads the folder of a trained model, or an exported file.

    Args:
        path: a folder that `train` wrote, or what `apparel export` wrote.
        runtime: what is to run it, where several can; None: the usual one.
        threads: processor threads; None: as many as there are, which TensorFlow and a SavedModel always take.

    Raises:
        UserError: there is no detector at this path, or nothing that could run it.
    """
    if path.suffix == ".tflite":
        from apparel.inference.tflite_network import TFLiteNetwork

        return TFLiteNetwork(path, threads)
    if (path / "saved_model.pb").is_file():
        from apparel.inference.saved_model_network import SavedModelNetwork

        return SavedModelNetwork(path)
    if (path / "pipeline.config").is_file():
        from apparel.inference.tensorflow_network import load_tensorflow_network

        return load_tensorflow_network(path)
    if path.suffix == ".onnx":
        return _load_onnx(path, runtime, threads)
    raise UserError(f"{path} is neither the folder of a trained model nor an exported detector")


def _load_onnx(path: Path, runtime: str | None, threads: int | None) -> Network:
    if runtime in (None, "ONNX Runtime"):
        from apparel.inference.onnx_network import OnnxNetwork

        return OnnxNetwork(path, threads)
    if runtime == "OpenVINO":
        from apparel.inference.openvino_network import OpenVinoNetwork

        return OpenVinoNetwork(path, threads)
    raise UserError(f"{runtime} runs no ONNX files such as {path}; these do: ONNX Runtime, OpenVINO")
