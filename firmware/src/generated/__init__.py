"""Written by tools/generate from dbc/ and packs/; never edited."""
