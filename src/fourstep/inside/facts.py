"""What is noted of one step: plain numbers about tensors, layers, parameters and steps."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TensorFacts:
    """What a tensor holds; the numbers are None where it holds none, or none that can be compared.

    Attributes:
        shape: its sizes.
        dtype: its number format, as `"float32"`.
        device: where it is.
        low: its smallest value.
        high: its largest.
        mean: the mean of all.
        zeros: the share of values that are 0, in 0..1.
        is_finite: neither NaN nor infinity is in it.
        is_whole: all its values are whole numbers.
    """

    shape: tuple[int, ...]
    dtype: str
    device: str
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    zeros: float | None = None
    is_finite: bool = True
    is_whole: bool = False


@dataclass(frozen=True, kw_only=True)
class LayerFacts:
    """What a layer gave.

    Attributes:
        name: its path in the model; None for a module that the model does not hold.
        kind: its class.
        calls: how often it was called; the numbers are those of the first time.
        outputs: the first tensor that it gave.
        saturated: the share of a sigmoid's or tanh's values where its derivative is below 0.01; None for others.
        dead: the share of a ReLU's units that are 0 for every sample; None for others, and for fewer than 8 samples.
        weights: numbers that it holds as parameters, where the model does not hold it.
    """

    name: str | None
    kind: str
    calls: int
    outputs: TensorFacts
    saturated: float | None
    dead: float | None
    weights: int


@dataclass(frozen=True, kw_only=True)
class ParameterFacts:
    """What a step did with a parameter. Norms are 2-norms.

    Attributes:
        name: its path in the model.
        shape: its sizes.
        is_trainable: it is learnt (`requires_grad`).
        is_held: the optimizer holds it.
        weight_norm: before the update.
        norm_before: of the gradient that was there when the step began; None where there was none.
        norm_cleared: of what was there after step 2; None where there was none.
        grad_norm: of the gradient that step 3 left; None where it left none.
        update_norm: of what step 4 changed.
        is_finite: gradient and new weights hold neither NaN nor infinity.
    """

    name: str
    shape: tuple[int, ...]
    is_trainable: bool
    is_held: bool
    weight_norm: float
    norm_before: float | None
    norm_cleared: float | None
    grad_norm: float | None
    update_norm: float
    is_finite: bool

    @property
    def ratio(self) -> float | None:
        """The size of the update relative to the weights; None where these were all 0."""
        return self.update_norm / self.weight_norm if self.weight_norm else None


@dataclass(frozen=True, kw_only=True)
class StepFacts:
    """What one of the four steps took.

    Attributes:
        seconds: with what was done to look at it left out; the device was waited for.
        peak_bytes: the most memory that tensors on a CUDA device took meanwhile; None elsewhere.
    """

    seconds: float
    peak_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Norms:
    """Joint 2-norms over all of the model's parameters.

    Attributes:
        before: of the gradients that were there when the step began; 0 for none.
        added: of these and the new ones added, as a loop without `zero_grad` has them.
        gradient: of the new ones.
        weight: of the parameters before the update.
        update: of what changed.
    """

    before: float
    added: float
    gradient: float
    weight: float
    update: float


@dataclass(frozen=True, kw_only=True)
class OutputFacts:
    """What the model's outputs are like.

    Attributes:
        ends_in: what made them, as torch records it, such as `"SoftmaxBackward0"`.
        sums_to_one: every row is in 0..1 and has the sum 1.
        exp_sums_to_one: so it is after `exp`.
        spread: the largest difference between two samples' outputs, relative to the largest; None for one sample.
    """

    ends_in: str
    sums_to_one: bool
    exp_sums_to_one: bool
    spread: float | None


@dataclass(frozen=True, kw_only=True)
class Remark:
    """Something that stands out.

    Attributes:
        code: what it is, a name in `words.REMARKS`.
        step: the step that shows it, 1 to 4.
        facts: what fills the sentence's gaps.
    """

    code: str
    step: int
    facts: dict[str, str]
