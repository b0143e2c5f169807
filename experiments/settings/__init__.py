"""Settings of a run: names, types, bounds, defaults and help, determined without importing torch."""
