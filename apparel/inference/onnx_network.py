"""Detector of an ONNX file, run by ONNX Runtime."""

from pathlib import Path

import numpy as np

from apparel.errors import UserError, one_line
from apparel.inference import network_outputs, onnx_file
from apparel.inference.network import FixedInput
from apparel.models.detections import Detections
from apparel.models.export.onnx_interface import INPUT, OUTPUTS
from apparel.utils.optional_packages import import_package

RUNTIME = "ONNX Runtime"


class OnnxNetwork(FixedInput):
    """A `Network` of a file that `apparel.models.export.onnx` wrote."""

    runtime = RUNTIME
    batch_size = None

    def __init__(self, path: Path, threads: int | None = None):
        """Loads the file.

        Args:
            path: the ONNX file.
            threads: processor threads; None: one a core.

        Raises:
            UserError: ONNX Runtime is not installed, or the file is none that it can run.
        """
        onnxruntime = import_package("onnxruntime")
        content, self.metadata = onnx_file.read(path)
        self._path = path
        # ONNX Runtime's errors have no class in common but Exception.
        states = vars(onnxruntime.capi.onnxruntime_pybind11_state).values()
        self._errors = tuple(state for state in states if isinstance(state, type) and issubclass(state, Exception))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3  # its warnings are about optimisations that it leaves out
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except self._errors as error:
            raise UserError(f"{path}: {RUNTIME} cannot load it: {one_line(error)}") from None

    def detect(self, images: np.ndarray) -> Detections:
        """As `Network.detect`.

        Raises:
            UserError: the file's network fails, or does not give detections.
        """
        images = np.ascontiguousarray(images, np.float32)
        try:
            boxes, classes, scores, count = self._session.run(OUTPUTS, {INPUT: images})
        except self._errors as error:
            raise UserError(f"{self._path}: {RUNTIME} cannot run it: {one_line(error)}") from None
        return network_outputs.detections(boxes, classes - 1, scores, count, self.metadata.classes, str(self._path))
