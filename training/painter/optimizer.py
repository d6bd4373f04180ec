"""Muon for matrices and AdamW for everything else, as one optimizer.

Muon (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/) steps along the orthogonalised momentum of each
matrix. `torch.optim.Muon` takes matrices only and works in bfloat16, which CPUs without bfloat16 arithmetic emulate
slowly; this one flattens convolutions, works in float32 and treats matrices of one shape together.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_MOMENTUM = 0.95


def orthogonalise(matrices: Tensor) -> Tensor:
    """Return the nearest semi-orthogonal matrices, roughly, by a Newton–Schulz iteration.

    Args:
        matrices: shape (count, rows, columns).
    """
    wide = matrices.size(1) <= matrices.size(2)
    x = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = _COEFFICIENTS
    # Every iterate is a polynomial of x xᵀ times x, so the long side is touched only twice.
    gram = x @ x.mT
    one = torch.eye(gram.size(1))
    product = one.expand_as(gram)
    for _ in range(_ITERATIONS):
        factor = a * one + b * gram + c * gram @ gram
        product = factor @ product
        gram = factor @ gram @ factor
    result: Tensor = product @ x
    return result if wide else result.mT


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised, for parameters with two or more dimensions; the first one counts as rows.

    The step is scaled to the size of AdamW's (Liu et al., 2025, https://arxiv.org/abs/2502.16982), so both take like
    learning rates.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float = 0.01) -> None:
        super().__init__(list(parameters), {"lr": learning_rate, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closures: they are for line searches
        """Step once along the gradients."""
        del closure
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape[0], parameter.shape[1:].numel()].append(parameter)
            for shape, members in alike.items():
                self._step_alike(shape, members, group["lr"], group["weight_decay"])

    def _step_alike(self, shape: tuple[int, int], members: list[nn.Parameter], rate: float, decay: float) -> None:
        updates = []
        for parameter in members:
            gradient = parameter.grad
            assert gradient is not None  # noqa: S101 - chosen by it
            state = self.state[parameter]
            momentum = state.setdefault("momentum", torch.zeros_like(parameter))
            momentum.lerp_(gradient, 1 - _MOMENTUM)
            updates.append(gradient.lerp(momentum, _MOMENTUM).reshape(shape))
        steps = orthogonalise(torch.stack(updates))
        scale = 0.2 * math.sqrt(max(shape))
        for parameter, step in zip(members, steps, strict=True):
            parameter.mul_(1 - rate * decay)
            parameter.add_(step.reshape(parameter.shape), alpha=-rate * scale)


class MuonWithAdamW:
    """The two optimizers behind one face, with one learning rate factor for both.

    Args:
        modules: whose parameters are trained.
        matrix_rate: Muon's learning rate.
        other_rate: AdamW's, for embeddings, biases, norms and what `plain` names.
        plain: parameters that Muon leaves to AdamW although they are matrices (first and last layers).
    """

    def __init__(
        self, modules: nn.Module, matrix_rate: float, other_rate: float, plain: Iterable[nn.Parameter] = ()
    ) -> None:
        left_out = {id(parameter) for parameter in plain}
        for module in modules.modules():
            if isinstance(module, nn.Embedding):
                left_out.add(id(module.weight))
        matrices: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for parameter in modules.parameters():
            if parameter.requires_grad:
                (matrices if parameter.ndim >= 2 and id(parameter) not in left_out else others).append(parameter)
        self._rates = (matrix_rate, other_rate)
        self._parts: tuple[torch.optim.Optimizer, ...] = (
            Muon(matrices, matrix_rate),
            torch.optim.AdamW(others, other_rate, betas=(0.9, 0.99), weight_decay=0.0),
        )
        self._parameters = [*matrices, *others]

    def step(self, factor: float, clip: float = 1.0) -> None:
        """Clip the gradients, step with the learning rates times `factor`, and forget the gradients."""
        nn.utils.clip_grad_norm_(self._parameters, clip)
        for part, rate in zip(self._parts, self._rates, strict=True):
            for group in part.param_groups:
                group["lr"] = rate * factor
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        """Return what `load_state_dict` needs to go on."""
        return [part.state_dict() for part in self._parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Go on where another optimizer of the same shape stood."""
        for part, state in zip(self._parts, states, strict=True):
            part.load_state_dict(state)
