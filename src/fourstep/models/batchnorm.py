"""Batch normalisation, written with tensors, and LeNet with it.

Source: Ioffe and Szegedy 2015, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
Shift", arXiv:1502.03167; the network is that of *Dive into Deep Learning*, section 7.5.

Shapes: B samples, C channels, H and W height and width, D features, K classes.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fourstep.models.starting import check_size, start_uniform

SMALLEST = 16  # below, nothing is left after the second pooling
EPSILON = 1e-5  # added to a variance, so that its root divides
BATCH_SHARE = 0.1  # a batch's weight in the running statistics


class BatchNorm(nn.Module):
    """Give every feature mean 0 and deviation 1 over the batch, then a scale and a shift that are learnt.

    The same as `nn.BatchNorm1d` and `nn.BatchNorm2d`, up to rounding; their `weight`, `bias`, `running_mean` and
    `running_var` have the same names here.

    Shapes: `(B, D)`, or `(B, D, H, W)` where a channel is normalised over all of its pixels; the same again.

    Args:
        num_features: D, 1 or more.

    While training, the batch's own mean and variance normalise it, and the running ones move a tenth of the way there.
    In evaluation the running ones normalise, so that an answer does not depend on its neighbours in the batch.

    The variance that normalises divides by the number of values, the running one by one fewer, as torch has it. The
    book's runs on the first, a difference of 1/n.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, inputs: Float[Tensor, "B D ..."]) -> Float[Tensor, "B D ..."]:
        """The normalised inputs, of their type; computed in that of the weights.

        Raises:
            ValueError: training on a single value per feature, which has no variance.
        """
        kind = inputs.dtype  # which may be bfloat16, in mixed precision: the statistics are not
        inputs = inputs.to(self.weight.dtype)
        if self.training:
            over = [axis for axis in range(inputs.dim()) if axis != 1]
            mean, variance = inputs.mean(dim=over), inputs.var(dim=over, correction=0)
            self._remember(mean.detach(), variance.detach(), inputs.numel() // inputs.shape[1])
        else:
            mean, variance = self.running_mean, self.running_var
        along = (1, -1, *[1] * (inputs.dim() - 2))
        normal = (inputs - mean.view(along)) * torch.rsqrt(variance.view(along) + EPSILON)
        return (normal * self.weight.view(along) + self.bias.view(along)).to(kind)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics towards those of a batch with `count` values per feature."""
        if count < 2:  # noqa: PLR2004 - one value has no variance
            raise ValueError(
                f"{count} value per feature: batch normalisation needs 2 or more to train. Use larger batches"
            )
        self.running_mean.lerp_(mean, BATCH_SHARE)
        self.running_var.lerp_(variance * (count / (count - 1)), BATCH_SHARE)


class BatchNormLeNet(nn.Module):
    """LeNet with batch normalisation before every sigmoid; its first convolution is without padding.

    Shapes, for 28 x 28 with one channel and ten classes:

        input          (B, 1, 28, 28)
        convolution 5  (B, 6, 24, 24)    batch normalisation, sigmoid
        average pool   (B, 6, 12, 12)
        convolution 5  (B, 16, 8, 8)     batch normalisation, sigmoid
        average pool   (B, 16, 4, 4)     flattened: (B, 256)
        linear         (B, 120)          batch normalisation, sigmoid
        linear         (B, 84)           batch normalisation, sigmoid
        logits         (B, 10)

    Args:
        num_classes: K, 1 or more.
        in_channels: C, 1 or more.
        image_size: H = W in pixels, 16 or more.
        scratch: normalise by this file's `BatchNorm`; else by torch's layers.

    Raises:
        ValueError: `image_size` is below 16.

    Weights start uniform as Glorot and Bengio 2010 have it, as the book's `train_ch6` sets them; biases as torch does.
    """

    def __init__(
        self, num_classes: int = 10, in_channels: int = 1, image_size: int = 28, *, scratch: bool = False
    ) -> None:
        super().__init__()
        check_size("BatchNormLeNet", image_size, SMALLEST)
        side = ((image_size - 4) // 2 - 4) // 2
        norm1d: Callable[[int], nn.Module] = BatchNorm if scratch else nn.BatchNorm1d
        norm2d: Callable[[int], nn.Module] = BatchNorm if scratch else nn.BatchNorm2d
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, kernel_size=5),
            norm2d(6),
            nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=2, stride=2),
            nn.Conv2d(6, 16, kernel_size=5),
            norm2d(16),
            nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=2, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * side * side, 120),
            norm1d(120),
            nn.Sigmoid(),
            nn.Linear(120, 84),
            norm1d(84),
            nn.Sigmoid(),
            nn.Linear(84, num_classes),
        )
        start_uniform(self)

    def forward(self, inputs: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """The logits."""
        logits: Tensor = self.classifier(self.features(inputs))
        return logits
