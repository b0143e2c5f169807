"""Configuration of a run: Hydra's composition, resolvers of config files, run names and messages."""
