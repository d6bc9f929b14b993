"""Metrics of predictions, against their formulas written out in NumPy."""

import numpy as np
import pytest
import torch

from physmix.surrogates.metrics import (
    conserved_error,
    drift,
    normalised_error,
    spectral_error,
    spectrum,
)


def drawn(seed, shape=(3, 4, 5, 6, 2)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("shape", [(3, 4, 7, 2), (3, 4, 5, 6, 2), (2, 3, 4, 3, 5, 1)])
def test_errors_are_their_formulas(shape):
    predicted, true = drawn(0, shape), drawn(1, shape)
    p, t = predicted.numpy(), true.numpy()
    for time in range(shape[1]):
        for field in range(shape[-1]):
            pairs = [(p[b, time, ..., field], t[b, time, ..., field]) for b in range(shape[0])]
            sums = [(one.sum() - other.sum()) ** 2 for one, other in pairs]
            expected = np.sqrt(np.mean(sums)) / pairs[0][0].size
            assert float(conserved_error(predicted, true)[time, field]) == pytest.approx(expected, rel=1e-12)
            ratios = [np.linalg.norm(one - other) / np.linalg.norm(other) for one, other in pairs]
            expected = np.mean(ratios)
            assert float(normalised_error(predicted, true)[time, field]) == pytest.approx(expected, rel=1e-12)


def test_drift_is_of_the_worst_trajectory():
    states = torch.ones(2, 3, 4, 4, 1)
    states[1, 2, 0, 0, 0] = 3.0
    assert drift(states)[:, 0].tolist() == [0.0, 0.0, 2 / 18]


def test_a_wave_has_its_energy_at_its_number():
    x = torch.arange(16).double() * 2 * torch.pi / 16
    wave = 3 + torch.sin(3 * x)[:, None] * torch.ones(12).double()
    found = spectrum(wave[None, ..., None])[:, 0]
    assert len(found) == 7
    expected = torch.tensor([9.0, 0, 0, 0.5, 0, 0, 0]).double()
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_the_spectral_error_does_not_see_phases_and_sees_amplitudes():
    true = drawn(0, (2, 16, 16, 1))
    assert float(spectral_error(torch.roll(true, 3, 1), true)) < 1e-12
    assert float(spectral_error(2 * true, true)) == pytest.approx(np.log(4), rel=1e-12)
