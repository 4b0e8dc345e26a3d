"""Resizes photos to the network's input as the Object Detection API does, without TensorFlow.

The API resizes with TensorFlow 1's bilinear interpolation: pixel `i` of the result is read at `i * scale`, without the
half pixel that OpenCV's and Pillow's `resize` add, which would move every box. OpenCV's `warpAffine` on float32 can.
"""

import cv2
import numpy as np

cv2.setNumThreads(1)
"""Photos are resized in threads of their own, beside a network that wants all cores."""


def resize(photo: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes a photo bilinearly.

    Args:
        photo: uint8 or float32 (H, W, 3), 0 to 255.
        height: pixels of the result.
        width: pixels of the result.

    Returns:
        float32 (height, width, 3), 0 to 255: TensorFlow's values to within 1e-4.
    """
    scales = np.array([[photo.shape[1] / width, 0, 0], [0, photo.shape[0] / height, 0]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pixels = photo.astype(np.float32, copy=False)
    return cv2.warpAffine(pixels, scales, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
