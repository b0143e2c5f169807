"""Jobs: the check of a command, the launcher that started it, and the run itself."""
