"""The lake in a folder on a disk."""
