"""From labelled photos of garments to a measured detector. `python -m apparel --help` lists the commands."""

from apparel.utils import tf_environment as tf_environment
