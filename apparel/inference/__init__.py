"""From pixels to detections: the same photo gives the same boxes everywhere.

Training's validations, the stage eval, models in MLflow and whatever else detects resize photos, detect on them and
bring the boxes back to the photos' own pixels by one code.

Two differences remain. A batch of another size changes the last bits of scores and corners. TensorFlow, which decodes
TFRecords, and Pillow, which decodes single photos, differ by about 1 of 255 levels in a JPEG, 8 at most as measured on
real and drawn photos; PNGs are the same.
"""
