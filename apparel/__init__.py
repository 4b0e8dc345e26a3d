"""From labelled photos of garments to a measured detector. `python -m apparel --help` lists the commands."""

from apparel import quiet as quiet
