"""A package of its own, before any other of that name on the path."""
