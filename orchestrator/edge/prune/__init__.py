"""Removes downloads, engine environments, images, states and caches of ours that no known stack.yaml refers to.

Nothing is followed out of our folders: a link is at most removed itself. Each module has `find` and `remove`.
"""
