"""Tables to tensors: read, looked at column by column, learnt from the training split, and kept with the run."""
