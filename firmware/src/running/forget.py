"""Gives back the memory of modules that are needed only now and then; whoever needs one again imports it again."""

import sys


def forget(package, *names):
    """Lets go of `package`.name for each name; what was made of it stays. CPython keeps its modules."""
    if sys.implementation.name != "micropython":
        return
    for name in names:
        if sys.modules.pop(package + "." + name, None):
            delattr(sys.modules[package], name)
