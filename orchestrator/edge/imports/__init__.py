"""Reads configs of other programs."""
