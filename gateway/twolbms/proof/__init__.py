"""Proofs of the node that no single test gives: an oracle, mutants, reaction times. `make node-proof` runs them all."""
