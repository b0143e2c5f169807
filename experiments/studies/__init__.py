"""Studies: many runs from one command, with one figure and one table. `report(run_dirs, folder)` writes both."""
