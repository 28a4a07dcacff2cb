"""Recorded CAN logs into a journal: read what can be read, check and decode it by an observed pack, say what could not.

Knows files, formats and packs of kind "observed". Knows no live bus and no database.
"""
