"""The `taxi` command: one command line in one package."""
