"""Measured comparisons: each prints figures of both sides, taken in one run."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as experiments.train does, before torch is imported
