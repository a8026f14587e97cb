"""What `fourstep.trace` gives back: the numbers of one step, which print as a page."""

from dataclasses import dataclass
from typing import Any

from fourstep.inside.chance import Chance, LossKind
from fourstep.inside.facts import (
    LayerFacts,
    Norms,
    OutputFacts,
    ParameterFacts,
    Remark,
    StepFacts,
    TensorFacts,
)
from fourstep.inside.printing import page_html, page_text
from fourstep.inside.words import Language


@dataclass(frozen=True, kw_only=True, repr=False)
class Trace:
    """What one step did, as `fourstep.trace` saw it; prints as a page.

    Attributes:
        language: of the page, `"en"` or `"zh"`.
        model: the model's class.
        rests: it is in evaluation mode, and has layers that then do something else.
        loss_name: the loss function.
        optimizer: its class.
        rates: the parameter groups' learning rates.
        inputs: the first tensor of the inputs; None where there is none.
        targets: the first tensor of the targets; None where there is none.
        outputs: the first tensor of the outputs; None where there is none.
        answer: what the outputs are like; None where there are none.
        layers: what each layer gave, in the order in which they ended.
        loss: before the update.
        loss_kind: which loss it is; None where that is not known.
        chance: what it would be by chance; None where that is not known.
        loss_in_shape: what it would be with the targets in the outputs' shape; None where they are, or it is not known.
        kept_bytes: memory that step 1 keeps for step 3, beside parameters and buffers.
        parameters: what the step did with each of the model's parameters.
        norms: joint norms over all of them.
        slope: how much the update changes this batch's loss by the gradients alone: their product with the update.
        steps: name of the step -> what it took.
        remarks: what stands out, in the order of the steps.
    """

    language: Language
    model: str
    rests: bool
    loss_name: str
    optimizer: str
    rates: tuple[float, ...]
    inputs: TensorFacts | None
    targets: TensorFacts | None
    outputs: TensorFacts | None
    answer: OutputFacts | None
    layers: tuple[LayerFacts, ...]
    loss: float
    loss_kind: LossKind | None
    chance: Chance | None
    loss_in_shape: float | None
    kept_bytes: int
    parameters: tuple[ParameterFacts, ...]
    norms: Norms
    slope: float
    steps: dict[str, StepFacts]
    remarks: tuple[Remark, ...] = ()

    @property
    def samples(self) -> int:
        """The length of the inputs' first dimension."""
        return self.inputs.shape[0] if self.inputs is not None and self.inputs.shape else 1

    def __rich__(self) -> Any:
        from fourstep.inside.page import trace_page  # noqa: PLC0415 - rich is slow to import

        return trace_page(self)

    def __str__(self) -> str:
        return page_text(self)

    __repr__ = __str__  # a prompt and a debugger show it too

    def _repr_html_(self) -> str:
        return page_html(self)
