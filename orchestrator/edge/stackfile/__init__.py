"""stack.yaml on disk: its text, its places and its secrets kept out of sight."""
