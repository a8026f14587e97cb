"""Tables to tensors: read, looked at column by column, learnt from the training split, and kept with the run."""

import os

from fourstep.errors import MissingExtraError

# polars' malloc, jemalloc on most systems, keeps for a while what it frees: as much again as a file that was just read.
# By this variable, to which polars puts its own words in front while it is loaded, it gives that back at once: a table
# is then read in little more than half the memory, and a tenth more time.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")
try:
    import polars as pl  # noqa: F401 - all modules of this package need it, and it is optional
except ImportError as error:
    raise MissingExtraError.of("polars", "tables", "data from a table") from error
