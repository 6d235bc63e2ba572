"""The `taxi` command and its subcommands: composes definitions, instance and stores, and prints results."""
