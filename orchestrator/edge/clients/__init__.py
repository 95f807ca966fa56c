"""Clients' config files: found, read, changed in place with their comments, diffed, backed up."""
