"""Tables to tensors: read, looked at column by column, learnt from the training split, and kept with the run."""

from fourstep.errors import MissingExtraError

try:
    import polars as pl  # noqa: F401 - all modules of this package need it, and it is optional
except ImportError as error:
    raise MissingExtraError.of("polars", "tables", "data from a table") from error
