"""Commissioning: what a builder is asked, how the node's readings judge the answers, and the record of it."""
