"""Weights on this disk, by their headers."""
