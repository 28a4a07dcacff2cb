"""Readers of recorded CAN logs: each gives frames in batches, or the same frames as numpy tables, and counts damage.

Know formats. Know no DBC, no pack and no destination.
"""
