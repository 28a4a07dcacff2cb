"""The terminal view: a snapshot as text lines of a given size. Pure; it knows no socket, no clock and no terminal."""
