"""Programs that talk to the endpoint, one a file: which settings of theirs point them at it."""
