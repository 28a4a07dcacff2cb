"""Register-level simulators of the chips a node's drivers talk to: test equipment, never in an image."""
