"""A sender of runs that sends nothing, for tests of what would be sent."""


class Nobody:
    """Stands in for `apparel.tracking.Sending`."""

    def __init__(self, box):
        pass

    def finish(self):
        pass
