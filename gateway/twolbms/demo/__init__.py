"""The demonstration: real firmware on a simulated plant, a real gateway, a story told from the journal."""
