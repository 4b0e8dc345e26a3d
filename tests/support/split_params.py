"""The section `split` of params.yaml as the project has it."""

from apparel import params


def split_params(**changes: object) -> params.Split:
    """The section with these changes."""
    values = {
        "seed": 0,
        "test_fraction": 0.2,
        "val_fraction": 0.15,
        "test_list": None,
        "train_list": None,
        "val_list": None,
        "keep_duplicates_together": True,
        "fold": None,
    }
    return params.Split(**(values | changes))
