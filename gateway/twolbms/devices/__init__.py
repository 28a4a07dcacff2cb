"""Other people's devices beside nodes and buses: what they say, and the board of what is known of each. Pure."""
