"""JSON bodies and event streams, read from bytes cut anywhere."""
