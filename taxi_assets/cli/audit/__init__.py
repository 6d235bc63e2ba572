"""`taxi audit`: a partition's load history, from the audit tables of the stores."""
