"""What makes a node image: generator, MicroPython runtime, packaging. Knows files, not batteries."""
