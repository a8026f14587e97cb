"""What the book's own builds printed, as median [lowest-highest] over n of them, and the bands that we hold to.

A band is the book's own spread, lowest to highest, of what is stable: of losses and train accuracies, not of the test
accuracy, which swings by ten points and more between equal runs. Where no spread is known there is no band.
"""

from typing import NamedTuple


class Printed(NamedTuple):
    """What the book says of a number."""

    text: str
    band: tuple[float, float] | None = None


BOOK: dict[str, dict[str, Printed]] = {
    "linear": {"loss": Printed("1.01e-4 [.92e-4-1.16e-4], n 56", (0.92e-4, 1.16e-4))},
    "softmax": {
        "train loss": Printed(".4473 [.4461-.4483], n 41", (0.4461, 0.4483)),
        "train acc": Printed(".8481 [.8463-.8489]", (0.8463, 0.8489)),
        "test acc": Printed(".8318 [.8243-.8348]"),
    },
    "mlp": {
        "train loss": Printed(".3828 [.3795-.3859], n 26", (0.3795, 0.3859)),
        "train acc": Printed(".8647 [.8633-.8664]", (0.8633, 0.8664)),
        "test acc": Printed(".8448 [.7922-.8548]"),
    },
    "dropout": {
        "train loss": Printed(".3457 [.338-.362], n 45", (0.338, 0.362)),
        "train acc": Printed(".8732"),
        "test acc": Printed(".8550 [.8021-.8699]"),
    },
    "lenet": {
        "train loss": Printed(".468 [.449-.497], n 59", (0.449, 0.497)),
        "train acc": Printed(".824 [.811-.833]", (0.811, 0.833)),
        "test acc": Printed(".807 [.752-.828]"),
    },
    "batchnorm-lenet": {
        "train loss": Printed(".267, n 53"),
        "train acc": Printed(".901"),
        "test acc": Printed(".832 [.619-.883]"),
    },
    "polynomial, 4 features": {"train loss": Printed(".0098, n 50"), "test loss": Printed(".0104")},
    "polynomial, 2 features": {
        "train loss": Printed("7.4 [1.4-38], n 50", (1.4, 38.0)),
        "test loss": Printed("10.2"),
    },
    "polynomial, 20 features": {"train loss": Printed(".0111, n 50"), "test loss": Printed(".0138")},
    "weight decay, 0": {"test loss": Printed("84 [49-118], n 48", (49.0, 118.0)), "norm of w": Printed("13.35; 13.46")},
    "weight decay, 3": {"test loss": Printed(".085, n 48"), "norm of w": Printed(".364; .394")},
    "house prices, 5 folds": {
        "train log rmse": Printed(".1655 [.1652-.1658], n 49, of the real data"),
        "valid log rmse": Printed(".1705 [.1701-.1710], of the real data"),
    },
}

WHOLE: dict[str, dict[str, str]] = {  # what the book's runs on all images at full size gave
    "alexnet": {
        "train loss": ".328 [.323-.334], n 55", "train acc": ".880 [.877-.882]", "test acc": ".880 [.860-.886]",
    },
    "vgg": {"train loss": ".178 [.167-.220], n 45", "train acc": ".934 [.918-.938]", "test acc": ".920 [.900-.925]"},
    "nin": {"train loss": ".371 [.317-1.22], n 38", "train acc": ".862 [.577-.882]", "test acc": ".853 [.594-.882]"},
    "googlenet": {
        "train loss": ".248 [.235-.346], n 53", "train acc": ".906 [.875-.912]", "test acc": ".889 [.808-.899]",
    },
    "resnet": {"train loss": ".012 [.004-.019], n 52", "train acc": ".997 [.995-1]", "test acc": ".914 [.814-.927]"},
    "densenet": {
        "train loss": ".152 [.139-.166], n 46", "train acc": ".944 [.938-.950]", "test acc": ".882 [.714-.918]",
    },
}  # fmt: skip
