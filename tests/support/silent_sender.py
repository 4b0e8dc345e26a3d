"""A sender of runs that sends nothing, for tests of what would be sent."""


class Nobody:
    """Stands in for `apparel.tracking.runs.Sending`."""

    def __init__(self, box):
        pass

    def finish(self):
        pass
