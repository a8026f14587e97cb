"""Language models around a recurrent layer, from scratch and with torch's; and how they go on with a text.

Source: *Dive into Deep Learning*, sections 8.5 and 8.6. Shapes: B sequences, T tokens in each, V tokens in the
vocabulary, H hidden units.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float32, Int
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from fourstep.device import pick_device
from fourstep.errors import ConfigError
from fourstep.evaluation import evaluating


class RNNModelScratch:
    """A recurrent network made of functions.

    Args:
        vocab_size: V.
        num_hiddens: H.
        device: where the parameters are to be.
        get_params: `(vocab_size, num_hiddens, device) -> parameters`, a list of tensors with gradients.
        init_state: `(batch_size, num_hiddens, device) -> state`, a tuple of tensors.
        forward_fn: `(inputs, state, parameters) -> (outputs, state)`: one-hot inputs `(T, B, V)` to outputs
            `(T * B, V)`.

    Attributes:
        params: the parameters.
    """

    def __init__(
        self,
        vocab_size: int,
        num_hiddens: int,
        device: str | torch.device,
        get_params: Callable[..., Any],
        init_state: Callable[..., Any],
        forward_fn: Callable[..., Any],
    ) -> None:
        self.vocab_size, self.num_hiddens = vocab_size, num_hiddens
        self.params = get_params(vocab_size, num_hiddens, device)
        self.init_state, self.forward_fn = init_state, forward_fn

    def __call__(self, X: Int[Tensor, "B T"], state: Any) -> Any:  # noqa: N803 - the book's name
        """The outputs `(T * B, V)` for token indices, all sequences' first tokens first; and the state after them."""
        return self.forward_fn(_one_hot(X, self.vocab_size), state, self.params)

    def begin_state(self, batch_size: int, device: str | torch.device) -> Any:
        """The state before the first token."""
        return self.init_state(batch_size, self.num_hiddens, device)


class RNNModel(nn.Module):
    """A recurrent layer of torch's, and a linear layer from its hidden units to the vocabulary.

    Args:
        rnn_layer: an `nn.RNN`, `nn.GRU` or `nn.LSTM` of V inputs, of any number of layers, in one or both directions.
        vocab_size: V.
        kwargs: what `nn.Module` takes.

    Attributes:
        rnn: the recurrent layer.
        linear: the linear layer.
        num_hiddens: H.
        num_directions: 1 or 2.

    Raises:
        ConfigError: the layer has other than V inputs, or is made for batches first.

    >>> net = RNNModel(nn.GRU(28, 16), vocab_size=28)
    >>> outputs, state = net(torch.zeros(2, 5, dtype=torch.long), net.begin_state("cpu", batch_size=2))
    >>> outputs.shape, state.shape
    (torch.Size([10, 28]), torch.Size([1, 2, 16]))
    """

    def __init__(self, rnn_layer: nn.RNNBase, vocab_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if rnn_layer.batch_first:
            raise ConfigError(
                "the recurrent layer has batch_first=True, but RNNModel gives it the steps first: make it without"
            )
        if rnn_layer.input_size != vocab_size:
            raise ConfigError(
                f"the recurrent layer takes {rnn_layer.input_size} inputs, but a token of a vocabulary of {vocab_size} "
                f"is {vocab_size} numbers, one-hot: make it as {type(rnn_layer).__name__}({vocab_size}, num_hiddens)"
            )
        self.rnn = rnn_layer
        self.vocab_size = vocab_size
        self.num_hiddens = rnn_layer.hidden_size
        self.num_directions = 2 if rnn_layer.bidirectional else 1
        self.linear = nn.Linear(self.num_hiddens * self.num_directions, vocab_size)

    def forward(self, inputs: Int[Tensor, "B T"], state: Any) -> tuple[Float32[Tensor, "N V"], Any]:
        """The outputs `(T * B, V)` for token indices, all sequences' first tokens first; and the state after them."""
        hidden, state = self.rnn(_one_hot(inputs, self.vocab_size), state)
        return self.linear(hidden.reshape(-1, hidden.shape[-1])), state

    def begin_state(self, device: str | torch.device, batch_size: int = 1) -> Any:
        """The state before the first token, zeros `(directions * layers, B, H)`; for an LSTM a pair of these."""
        shape = (self.num_directions * self.rnn.num_layers, batch_size, self.num_hiddens)
        if isinstance(self.rnn, nn.LSTM):
            return torch.zeros(shape, device=device), torch.zeros(shape, device=device)
        return torch.zeros(shape, device=device)


def _one_hot(indices: Tensor, vocab_size: int) -> Float32[Tensor, "T B V"]:
    return F.one_hot(indices.T.long(), vocab_size).to(torch.float32)


@runtime_checkable
class Words(Protocol):
    """What these functions ask of a vocabulary: `Vocab`, or one of the reader's own."""

    idx_to_token: Any

    def __getitem__(self, tokens: Any) -> Any: ...


def predict_ch8(prefix: str | Sequence[str], num_preds: int, net: Any, vocab: Words, device: str | torch.device) -> str:
    """Let a language model go on with a text, by the likeliest token each time.

    Args:
        prefix: the text's beginning, one or more tokens of the vocabulary.
        num_preds: how many tokens to predict, 0 or more.
        net: an `RNNModel` or `RNNModelScratch`, or another with their `begin_state`; it is run in evaluation mode and
            without gradients, and its modules' modes are restored.
        vocab: the tokens' indices.
        device: where the net is.

    Returns:
        The prefix with the predicted tokens.

    Raises:
        ConfigError: the prefix is empty or holds what is no token of the vocabulary.
        DeviceError: the device is not there.
    """
    device = pick_device(device)
    unknown = unknown_tokens(prefix, vocab)
    if unknown or not prefix:
        raise ConfigError(
            f"prefix {prefix!r}: "
            + (f"{unknown[0]!r} is not in the vocabulary" if unknown else "it is empty")
            + f". Expected one or more of its tokens, which are {_some(vocab)}"
        )
    tokens = torch.tensor([vocab[token] for token in prefix], device=device).reshape(-1, 1, 1)
    predicted = []
    with evaluating(net), torch.no_grad():
        state = net.begin_state(batch_size=1, device=device)
        for token in tokens[:-1]:
            _, state = net(token, state)
        last = tokens[-1]
        for _ in range(num_preds):
            outputs, state = net(last, state)
            last = outputs.argmax(dim=1).reshape(1, 1)
            predicted.append(last)
    indices = torch.cat([*tokens, *predicted]).reshape(-1).tolist()  # read together: the device is waited for once
    return "".join([vocab.idx_to_token[index] for index in indices])


def unknown_tokens(prefix: Sequence[str], vocab: Words) -> list[str]:
    """The tokens of a text that a vocabulary lacks."""
    return [token for token in prefix if vocab.idx_to_token[vocab[token]] != token]


def _some(vocab: Words) -> str:
    tokens = [str(token) for token in vocab.idx_to_token]
    return " ".join(map(repr, tokens[1:9])) + (" ..." if len(tokens) > 9 else "")  # noqa: PLR2004 - enough to see them
