"""Studies: many runs of one command, one figure and one table. `report(run_dirs, folder)` writes both."""
