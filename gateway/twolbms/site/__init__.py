"""Packs added up to one battery."""
