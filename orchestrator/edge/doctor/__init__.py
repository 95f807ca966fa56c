"""Gathers what `stack doctor` looks at: short questions with time limits, all at once, never one that hangs."""
