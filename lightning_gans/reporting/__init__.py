"""Readable output of a run: CSV tables, image grids, figures, animations, the progress bar in the terminal."""
