"""Detector of an ONNX file, run by OpenVINO on the processor."""

from pathlib import Path

import numpy as np

from apparel.errors import UserError, one_line
from apparel.inference import network_outputs, onnx_file
from apparel.inference.network import FixedInput
from apparel.models.detections import Detections
from apparel.models.export.onnx_interface import OUTPUTS
from apparel.utils.optional_packages import import_package

RUNTIME = "OpenVINO"


class OpenVinoNetwork(FixedInput):
    """A `Network` of a file that `apparel.models.export.onnx` wrote.

    Of OpenVINO only its core is used, which has no connection to anywhere. Its converters would send reports of their
    use if the package openvino-telemetry were installed.
    """

    runtime = RUNTIME
    batch_size = None

    def __init__(self, path: Path, threads: int | None = None):
        """Loads the file.

        Args:
            path: the ONNX file.
            threads: processor threads; None: one a core.

        Raises:
            UserError: OpenVINO is not installed, or the file is none that it can run.
        """
        openvino = import_package("openvino")
        content, self.metadata = onnx_file.read(path)
        self._path = path
        # float32 as in training; on processors that have it, OpenVINO would take bfloat16 by itself.
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        core = openvino.Core()
        try:
            compiled = core.compile_model(core.read_model(content), "CPU", options)
            self._outputs = [compiled.output(name) for name in OUTPUTS]
            self._request = compiled.create_infer_request()
        except RuntimeError as error:
            raise UserError(f"{path}: {RUNTIME} cannot load it: {one_line(error)}") from None

    def detect(self, images: np.ndarray) -> Detections:
        """As `Network.detect`.

        Raises:
            UserError: the file's network fails, or does not give detections.
        """
        try:
            results = self._request.infer([np.ascontiguousarray(images, np.float32)], share_inputs=True)
        except RuntimeError as error:
            raise UserError(f"{self._path}: {RUNTIME} cannot run it: {one_line(error)}") from None
        # Copies: the request writes the next results in place of these.
        boxes, classes, scores, count = (np.array(results[output]) for output in self._outputs)
        return network_outputs.detections(boxes, classes - 1, scores, count, self.metadata.classes, str(self._path))
