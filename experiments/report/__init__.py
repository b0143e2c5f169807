"""Reports of runs as files: an HTML page of any number of runs, a page and a picture of each. Imports no torch."""
