"""Where a run's numbers and pictures go besides its own directory. Knows the core's names and no callback."""
