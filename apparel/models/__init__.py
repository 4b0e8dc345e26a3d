"""Detection models: pipeline files, weights, and the Object Detection API behind models/tfod."""
