"""`taxi diff`, held to what loading the month then does."""
