"""From photos to detections: the same photo gives the same boxes everywhere.

Training's validations, the stage eval, models in MLflow and whatever else detects go through `predictor`: photos are
decoded, resized and detected on by one code, so that what was measured on test is what a user gets.
"""
