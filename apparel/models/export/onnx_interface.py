"""Input and outputs of ONNX files of detectors: what writes them and what reads them agree on."""

INPUT = "images"
"""float32 (N, H, W, 3) RGB, 0 to 255, for any number N of photos."""

OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
"""The Object Detection API's names: (N, D, 4) ymin, xmin, ymax, xmax in 0..1, (N, D) from 1, (N, D) 0 to 1, (N,)."""
