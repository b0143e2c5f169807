"""Imported by the process that tests fork from; its modules and caches save each fork a second."""

import importlib
import importlib.metadata
import os
from functools import cache

from experiments.jobs.preflight import plan

for module in (
    "datamodules.digits",
    "datamodules.planar",
    "experiments.jobs.runner",
    "lightning_gans.variants",
    "lightning_gans.variants.vanilla",
    "matplotlib.pyplot",
    "tests.helpers.composed",
    "tests.helpers.ranks",
):
    importlib.import_module(module)

# As in conftest.py, which this process does not import.
importlib.metadata.entry_points = cache(importlib.metadata.entry_points)
os.fsync = lambda _: None

RING = ("variant=vanilla", "data=ring")
for command in (RING, (*RING, "logger=none"), (*RING, "logger=none", "metrics=none"), ("variant=dcgan", "logger=none")):
    plan(command)
