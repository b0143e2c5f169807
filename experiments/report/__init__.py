"""Reports of runs as files: an HTML page for several runs, a page and a figure for each run. Imports no torch."""
