"""Judging what stack.yaml says: every rule of the file, and the words for what breaks one."""
