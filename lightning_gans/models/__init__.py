"""Models: networks with a prior that sample, and their export to disk and back."""

from lightning_gans.models.conditional import ConditionalGenerativeModel
from lightning_gans.models.export import load_generator, save_generator
from lightning_gans.models.generative import GenerativeModel
from lightning_gans.models.spec import build

__all__ = ["ConditionalGenerativeModel", "GenerativeModel", "build", "load_generator", "save_generator"]
