"""Estimators: what cannot be measured, with its uncertainty."""
