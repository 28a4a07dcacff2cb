"""PlatformIO's entry to the boards of 2lbms; everything it needs is in the environment that runs it."""

from platformio.public import PlatformBase


class TwolbmsPlatform(PlatformBase):
    """No packages and no framework: the builder uses the gateway's own modules."""
