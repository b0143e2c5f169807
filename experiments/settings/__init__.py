"""Settings of a run: their names, types, bounds, defaults and help, known without importing torch."""
