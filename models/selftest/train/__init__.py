"""Trains the self-test model from nothing: `python -m models.selftest.train` in the repository root (../README.md)."""
