"""Read by each Python that has this folder in PYTHONPATH: looks for garbage seldom, which took an eighth of a start."""

import gc

gc.set_threshold(50_000, 20, 100)
