"""What `python -m apparel <command>` offers, one module a command."""
