"""Configuration of a run: Hydra's composition, what files may compute, run names and messages."""
