"""2lbms, the second-life battery management system: the gateway."""
