"""Says whether a cycle did its work: the watchdog is fed only when measure, protect and actuate have each moved on."""


class Progress:
    """Each part counts its own completed steps in `beat`; a part that was left out stands still."""

    def __init__(self):
        self._measure = self._protect = self._pins = -1

    def moved(self, measure, protect, pins):
        """True when all three counts differ from those of the last call."""
        done = measure != self._measure and protect != self._protect and pins != self._pins
        self._measure = measure
        self._protect = protect
        self._pins = pins
        return done
