"""A node on a real board: its sensors and outputs as the cycle takes them, and the loop around the cycle."""
