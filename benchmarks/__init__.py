"""Measured comparisons: each prints figures of both sides, taken in one run."""
