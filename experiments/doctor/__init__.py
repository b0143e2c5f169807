"""Checks of this machine: installation, hardware and surroundings of a run."""
