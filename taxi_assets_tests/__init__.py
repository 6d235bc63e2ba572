"""The tests mirror the package; their names are sentences about what it does."""
