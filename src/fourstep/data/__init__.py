"""Where batches come from."""

from fourstep.data.arrays import from_arrays as from_arrays
from fourstep.data.arrays import synthetic_blobs as synthetic_blobs
from fourstep.data.arrays import synthetic_regression as synthetic_regression
from fourstep.data.batches import Batches as Batches
from fourstep.data.batches import Data as Data
