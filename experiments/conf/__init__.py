"""Hydra config files."""
