"""Benchmarks: each prints figures of both sides of a comparison, measured in one run."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as experiments.train does, before torch is imported
