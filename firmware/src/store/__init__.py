"""What a node still knows after a reset or a power cut: configuration, faults, and the wear of its outputs."""
