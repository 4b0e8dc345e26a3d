"""The only place that imports the Object Detection API; each module mends one thing and says when the mend may go."""
