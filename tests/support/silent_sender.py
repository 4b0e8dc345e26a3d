"""A sender of runs that sends nothing, for tests of what would be sent."""


class Nobody:
    """Stands in for `apparel.tracking.runs.SenderProcess`."""

    def __init__(self, outbox):
        pass

    def finish(self):
        pass
