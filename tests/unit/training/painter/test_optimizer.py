import torch
from torch import nn

from training.painter.optimizer import Muon, MuonWithAdamW, orthogonalise


def test_orthogonalised_matrices_have_singular_values_near_one() -> None:
    """Tall and wide matrices alike."""
    torch.manual_seed(0)
    for shape in ((3, 20, 50), (3, 50, 20)):
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)))
        assert 0.5 < float(values.min())
        assert float(values.max()) < 1.4


def test_matrices_of_one_shape_are_treated_each_for_itself() -> None:
    """Treating matrices together gives what treating them one by one gives."""
    torch.manual_seed(0)
    matrices = torch.randn(4, 8, 16)

    assert torch.allclose(orthogonalise(matrices)[2], orthogonalise(matrices[2:3])[0], atol=1e-5)


def test_zero_columns_stay_zero() -> None:
    """Muon moves nothing that has no gradient, on which the denoisers' deafness to sizes rests."""
    weight = nn.Parameter(torch.ones(6, 9))
    weight.data[:, 5:] = 0
    optimizer = Muon([weight], 0.1)
    weight.grad = torch.randn(6, 9)
    weight.grad[:, 5:] = 0
    optimizer.step()

    assert torch.equal(weight[:, 5:], torch.zeros(6, 4))
    assert not torch.equal(weight[:, :5], torch.ones(6, 5))


def test_optimizer_learns_a_small_task() -> None:
    """Both halves together fit a small function."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = MuonWithAdamW(model, 2e-2, 1e-2)
    inputs = torch.randn(256, 4)
    wanted = (inputs[:, :1] * inputs[:, 1:2]).sin()
    losses = []
    for _ in range(150):
        loss = (model(inputs) - wanted).square().mean()
        loss.backward()
        optimizer.step(1.0)
        losses.append(float(loss.detach()))

    assert losses[-1] < 0.3 * losses[0]
