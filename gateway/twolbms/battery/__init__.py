"""One pack as its node tells it: one module a fact. Nothing here reads a clock, a file or a bus."""
