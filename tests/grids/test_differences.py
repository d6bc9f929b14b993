"""Difference operators on periodic grids."""

import torch

from physmix.grids import neighbour_channels, neighbour_operators


def test_operators_are_the_identity_and_the_differences():
    operators = neighbour_operators(2)
    assert operators.generators == ("forward 0", "backward 0", "forward 1", "backward 1")
    assert operators.monomials[0] == (0, 0, 0, 0)
    assert operators.monomials[2] == (0, 1, 0, 0)
    assert len(operators) == 5
    assert operators.telescoping


def test_channels_reach_each_neighbour(generator):
    field = torch.randn(2, 5, 4, 3, generator=generator, dtype=torch.float64)
    channels = neighbour_channels(field)
    assert channels.shape == (5, 2, 5, 4, 3)
    torch.testing.assert_close(channels[1] + field, torch.roll(field, -1, 1))
    torch.testing.assert_close(field - channels[2], torch.roll(field, 1, 1))
    torch.testing.assert_close(channels[3] + field, torch.roll(field, -1, 2))
    torch.testing.assert_close(field - channels[4], torch.roll(field, 1, 2))


def test_differences_sum_to_zero_and_converge(generator):
    field = torch.randn(1, 16, 16, 1, generator=generator, dtype=torch.float64)
    assert neighbour_channels(field)[1:].sum((2, 3)).abs().max() < 1e-12
    errors = []
    for n in (32, 64):
        x = torch.arange(n, dtype=torch.float64) / n
        wave = torch.sin(2 * torch.pi * x)[None, :, None, None].expand(1, n, 1, 1)
        channels = neighbour_channels(wave)
        central = (channels[1] + channels[2]) / 2 * n
        errors.append((central.flatten() - 2 * torch.pi * torch.cos(2 * torch.pi * x)).abs().max())
    assert 3.8 < errors[0] / errors[1] < 4.2  # second order
