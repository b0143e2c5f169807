"""Run directories: names, files, lock, resumption and reports."""
