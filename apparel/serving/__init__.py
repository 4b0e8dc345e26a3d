"""HTTP server of a trained detector: photos in, detections out, as JSON."""
