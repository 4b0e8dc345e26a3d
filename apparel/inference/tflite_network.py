"""An exported detector in TensorFlow Lite, run by LiteRT, which starts in a second and without TensorFlow."""

import os
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from apparel.errors import UserError, one_line
from apparel.inference import network_outputs
from apparel.inference.network import FixedInput
from apparel.models.detections import Detections
from apparel.models.export import tflite_metadata
from apparel.utils import native_output


class TFLiteNetwork(FixedInput):
    """A `Network` of a file that `apparel.models.export.tflite` wrote; the input is float32 or uint8."""

    runtime = "TensorFlow Lite"
    batch_size = 1

    def __init__(self, path: Path, threads: int | None = None):
        """Loads the file for a number of processor threads; None: as many as there are.

        Raises:
            UserError: it is missing or damaged, or has other inputs and outputs than an export of this project.
        """
        self.metadata, self._source = tflite_metadata.read(path), str(path)
        try:
            with native_output.without_noise():
                self._interpreter = Interpreter(str(path), num_threads=threads or os.cpu_count())
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{path} is damaged, or no file of TensorFlow Lite: {one_line(error)}") from None
        inputs, self._outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        sides = [1, self.metadata.height, self.metadata.width, 3]
        if len(inputs) != 1 or len(self._outputs) != 4 or inputs[0]["shape"].tolist() != sides:
            raise UserError(f"{path} is no detector of {sides[1]} x {sides[2]} pixels; write it again")
        self._input = inputs[0]

    def detect(self, images: np.ndarray) -> Detections:
        """As `Network.detect`, one photo at a time.

        Raises:
            UserError: the file gives other numbers than those of detections.
        """
        if self._input["dtype"] == np.uint8:
            images = np.rint(images).astype(np.uint8)
        photos = []
        for image in images:
            self._interpreter.set_tensor(self._input["index"], image[np.newaxis])
            self._interpreter.invoke()
            photos.append([self._interpreter.get_tensor(output["index"]) for output in self._outputs])
        outputs = [np.concatenate(values) for values in zip(*photos, strict=True)]
        return network_outputs.detections(*outputs, self.metadata.classes, self._source)
