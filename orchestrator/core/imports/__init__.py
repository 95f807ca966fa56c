"""Configs of other programs, said as a stack.yaml, and what could not be said."""
