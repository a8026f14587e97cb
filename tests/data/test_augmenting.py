"""Augmented batches: a function of (seed, epoch, indices), for training alone, written down with the run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fourstep as fs
from fourstep.data import from_arrays
from fourstep.data.augment import Color, Crop, CutMix, Draws, Erase, Flip, MixUp, Rotate, Shift, per_sample
from fourstep.data.batches import Batches
from fourstep.data.images import Standardize

EVERYTHING: list[Any] = [
    Flip(),
    Crop(padding=1),
    Shift(),
    Rotate(),
    Color(brightness=0.3, contrast=0.3, saturation=0.3),
    Erase(),
    MixUp(num_classes=4),
    CutMix(num_classes=4),
]
BYTES = torch.randint(256, (30, 3, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(30) % 4


def batches_of(augment: Any, **settings: Any) -> Batches:
    """Of small colour images."""
    return Batches(BYTES, LABELS, **{"batch_size": 7, "seed": 3, "augment": augment, **settings})


def same(ours: Any, theirs: Any) -> bool:
    """Are these pairs equal, bit for bit?"""
    return all(map(torch.equal, ours, theirs))


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_batch_is_a_function_of_seed_epoch_and_indices(*, shuffle: bool) -> None:
    """The same in a new pass, from a middle batch on, found on its own, and moved by other draws in between."""
    straight = batches_of(EVERYTHING, shuffle=shuffle)
    epochs = [list(straight) for _ in range(2)]
    sought = batches_of(EVERYTHING, shuffle=shuffle)
    torch.rand(5)
    sought.seek(1, 3)

    assert all(map(same, sought, epochs[1][3:]))
    for number, batch in enumerate(epochs[1]):
        found = sought.find(1, number)
        assert found is not None
        assert same(found, batch)
    other_seed = list(batches_of(EVERYTHING, seed=4, shuffle=shuffle))
    assert not any(map(same, epochs[0], epochs[1]))
    assert not any(map(same, epochs[0], other_seed))


@pytest.mark.parametrize("augment", EVERYTHING[:6], ids=lambda one: type(one).__name__)
def test_a_sample_is_augmented_alike_in_every_batch(augment: Any) -> None:
    """Whatever the batch size and the order, as long as no partner is taken."""
    ways = [
        batches_of([augment], batch_size=size, shuffle=shuffle)
        for size, shuffle in ((7, True), (30, False), (1, False))
    ]
    taken = []
    for way in ways:
        order = way.order(0)
        whole = torch.cat([inputs for inputs, _ in way])
        taken.append(whole if order is None else whole[order.argsort()])

    assert torch.equal(taken[0], taken[1])
    assert torch.equal(taken[1], taken[2])


def test_bytes_are_scaled_before_and_standardised_after() -> None:
    """An augmentation sees floats in 0..1, and `prepare` what it gives; floats are taken as they are."""
    seen: list[Tensor] = []

    def look(inputs: Tensor, targets: Any, draws: Draws) -> tuple[Tensor, Any]:
        seen.append(inputs.clone())
        assert draws.seed == 3
        return inputs * 0.5, targets

    prepare = Standardize(mean=0.25, std=0.5)
    (inputs, _), *_ = batches_of([look], prepare=prepare, shuffle=False)
    floats = Batches(BYTES.float() / 255, LABELS, batch_size=7, shuffle=False, seed=3, augment=[look], prepare=prepare)

    assert torch.equal(seen[0], BYTES[:7] / 255)
    assert torch.allclose(inputs, (BYTES[:7] / 255 * 0.5 - 0.25) / 0.5)
    assert torch.equal(next(iter(floats))[0], inputs)


def test_they_are_applied_in_their_order_with_draws_of_their_own() -> None:
    """Two of the same kind do not undo each other."""
    double = batches_of([Flip(), Flip()], shuffle=False, batch_size=30)
    single = batches_of([Flip()], shuffle=False, batch_size=30)
    (twice, _), (once, _) = next(iter(double)), next(iter(single))

    assert not torch.equal(twice, BYTES / 255)
    assert not torch.equal(twice, once)


def test_training_alone_is_augmented() -> None:
    """`from_arrays` leaves val and test as they are; a model is measured on training samples as they are."""
    data = from_arrays(BYTES, LABELS, batch_size=7, val=0.2, test=0.2, augment=EVERYTHING)
    train, val, test = data.splits().values()
    assert isinstance(train, Batches)
    assert isinstance(val, Batches)
    assert isinstance(test, Batches)
    model, metrics = nn.Sequential(nn.Flatten(), nn.Linear(108, 4)), {"accuracy": fs.accuracy}
    plain = Batches(train.inputs, train.targets, batch_size=7, shuffle=False)
    expected = fs.evaluate(model, plain, nn.CrossEntropyLoss(), metrics=metrics)
    frozen = torch.optim.SGD(model.parameters(), lr=0.0)
    run = fs.fit(
        model, data, nn.CrossEntropyLoss(), frozen, epochs=1, metrics=metrics, clean_train_metrics=True, show="none"
    )

    assert (val.augment, test.augment) == ((), ())
    assert fs.evaluate(model, train, nn.CrossEntropyLoss(), metrics=metrics) == pytest.approx(expected)
    assert run.history.rows[-1]["train-clean/accuracy"] == pytest.approx(expected["accuracy"])
    assert run.history.rows[-1]["train/loss"] != pytest.approx(expected["loss"])
    assert train.unaugmented().augment == ()
    assert val.unaugmented() is val
    assert repr(train).endswith("of 7, augmented by 8)")


def test_another_augmentation_is_another_run(tmp_path: Path) -> None:
    """`run.toml` says all settings, and another one is refused in its folder."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))

    def train(augment: list[Any]) -> None:
        data = from_arrays(BYTES, LABELS, batch_size=7, augment=augment, shuffle=False)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=1, folder=tmp_path / "run", show="none")

    train([Crop(padding=1), Flip()])

    said = (tmp_path / "run" / "run.toml").read_text(encoding="utf-8")
    assert "Crop(padding=1, fill=0.0, mask_fill=0)" in said
    assert "Flip(direction='horizontal', probability=0.5)" in said
    assert "seed = 0" in said.split("[data.train]")[1]
    with pytest.raises(
        fs.RunFolderError, match=r"holds another run: data.train.augment .*padding=1.*, now .*padding=2"
    ):
        train([Crop(padding=2), Flip()])


def test_samples_in_a_file_are_augmented_too(tmp_path: Path) -> None:
    """As those in memory."""
    np.save(tmp_path / "images.npy", BYTES.numpy())
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    ours, theirs = (from_arrays(array, LABELS, batch_size=7, augment=EVERYTHING).train for array in (mapped, BYTES))

    assert all(map(same, ours, theirs))


def test_several_inputs_are_augmented_by_a_function() -> None:
    """Which gets them as the model would; images alone are refused by name."""

    def shade(inputs: dict[str, Tensor], targets: Tensor, draws: Draws) -> tuple[dict[str, Tensor], Tensor]:
        image, same_targets = Flip(probability=1.0)(inputs["image"], targets, draws)
        return {**inputs, "image": image}, same_targets

    inputs = {"image": BYTES, "age": LABELS.float()}
    (found, _), *_ = Batches(inputs, LABELS, batch_size=5, shuffle=False, augment=[shade])

    assert torch.equal(found["image"], BYTES[:5].flip(3) / 255)
    assert torch.equal(found["age"], LABELS[:5].float())
    with pytest.raises(fs.DataError, match="Flip was given a dict: expected images"):
        list(Batches(inputs, LABELS, batch_size=5, augment=[Flip()]))


def test_a_function_of_single_samples() -> None:
    """What it draws from any global generator is fixed by (seed, epoch, sample); all of them stand where they stood."""

    def jitter(image: Tensor) -> Tensor:
        return image + torch.rand(1) + float(np.random.rand())  # noqa: NPY002 - as users draw

    one, other = batches_of([per_sample(jitter)]), batches_of([per_sample(jitter)], batch_size=30, shuffle=False)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    taken, order = torch.cat([inputs for inputs, _ in one]), one.order(0)
    assert order is not None

    assert torch.equal(taken[order.argsort()], next(iter(other))[0])
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(taken, torch.cat([inputs for inputs, _ in one]))
    (squared, _), *_ = batches_of([per_sample(lambda image: image.numpy() ** 2)], shuffle=False)
    assert torch.equal(squared, (BYTES[:7] / 255) ** 2)


@pytest.mark.parametrize(
    ("augment", "said"),
    [
        (Flip(), "augment is a Flip: expected a list, such as [fourstep.data.augment.Flip()]"),
        (
            [Flip],
            "augment[0] is the class Flip: expected an object such as Flip(), or a function (inputs, targets, draws)",
        ),
        (
            [Flip(), "flip"],
            "augment[1] is a str: expected an object such as Flip(), or a function (inputs, targets, draws)",
        ),
        (
            [nn.Identity()],
            "augment[0] is the module Identity: expected a function of a batch, as per_sample(Identity())",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_what_is_no_augmentation_is_refused(augment: Any, said: str) -> None:
    """When the batches are made."""
    with pytest.raises(fs.ConfigError) as caught:
        batches_of(augment)

    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("augment", "said"),
    [
        (lambda *batch: batch[0], "augment[0] gave a Tensor: expected a pair (inputs, targets). A transform"),
        (
            lambda *batch: batch,
            "augment[0] gave a tuple of 3: expected a pair (inputs, targets). A transform of single",
        ),
        (
            per_sample(lambda image: image[:, : 1 + int(image.sum()) % 3]),
            "per_sample(<lambda>) gave samples of shapes (3, 1",
        ),
    ],
)
def test_what_gives_no_batch_is_named(augment: Any, said: str) -> None:
    """In one line."""
    with pytest.raises(fs.DataError) as caught:
        list(batches_of([augment]))

    assert str(caught.value).startswith(said)


@pytest.mark.usefixtures("unchecked_types")
def test_wrong_seeds_and_functions_are_refused_at_once() -> None:
    """Not in the first pass."""
    with pytest.raises(fs.ConfigError, match="seed -1: expected a whole number in"):
        batches_of([Flip()], seed=-1, shuffle=False)
    with pytest.raises(
        fs.ConfigError, match="per_sample was given a class Identity: expected a function of one sample"
    ):
        per_sample(nn.Identity)
    with pytest.raises(fs.ConfigError, match="per_sample was given a int: expected a function of one sample"):
        per_sample(3)
    with pytest.raises(fs.DataError, match="per_sample was given a tuple: expected one tensor of inputs"):
        per_sample(abs)((BYTES,), LABELS, Draws(seed=0, epoch=0, indices=LABELS))


@pytest.mark.gpu
def test_an_accelerator_augments_as_the_cpu() -> None:
    """Flips, crops, erasing: the same bits; what turns and mixes: within rounding."""
    device = torch.device(torch.accelerator.current_accelerator() or "cpu")
    for augment, tolerance in (([*EVERYTHING[:2], Erase()], 0.0), (EVERYTHING, 1e-4)):
        here = batches_of(augment)
        for ours, theirs in zip(here, batches_of(augment).to(device), strict=True):
            assert all(
                torch.allclose(one, other.cpu(), atol=tolerance, rtol=0)
                for one, other in zip(ours, theirs, strict=True)
            )
