"""Training samples changed at random, batch by batch, so that a model cannot learn them by heart.

An augmentation is a function `(inputs, targets, draws) -> (inputs, targets)` of a whole batch; a list of them is passed
as `augment=`. Bytes are floats in 0..1 by then, and are standardised afterwards.
"""

from fourstep.data.augment.geometry import Crop as Crop
from fourstep.data.augment.geometry import Flip as Flip
from fourstep.data.augment.geometry import Rotate as Rotate
from fourstep.data.augment.geometry import Shift as Shift
from fourstep.data.augment.mixing import CutMix as CutMix
from fourstep.data.augment.mixing import MixUp as MixUp
from fourstep.data.augment.pixels import Color as Color
from fourstep.data.augment.pixels import Erase as Erase
from fourstep.data.augment.samplewise import per_sample as per_sample
from fourstep.data.draws import Augment as Augment
from fourstep.data.draws import Draws as Draws
