"""The commands of `python -m apparel`, one thin module each."""
