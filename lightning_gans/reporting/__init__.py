"""Output of a run for people: CSV tables, image grids, figures, animations, the bar in the terminal."""
