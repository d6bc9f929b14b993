"""A simulated room with two voices, and what an array of microphones hears of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from physmix.benchmarks.foreign import package

RATE, FRAME = 16000, 1024
SPACING = 0.05  # m


@dataclass(frozen=True)
class Room:
    """What the microphones of a linear array hear of each of two voices.

    Attributes:
        microphones: places, (microphone, 3), in m.
        wanted, other: places of the voices, (3,).
        heard: of the wanted and of the other voice, (2, microphone, time).
        array: of pyroomacoustics, for its own beamformer.
    """

    microphones: Tensor
    wanted: Tensor
    other: Tensor
    heard: Tensor
    array: Any


def voice(seconds: float, pitch: float, generator: np.random.Generator) -> np.ndarray[Any, np.dtype[Any]]:
    """A seeded stand-in for speech: harmonics and breath under a spectrum of 1/f, in syllables."""
    times = np.arange(int(seconds * RATE)) / RATE
    glide = pitch * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * times + generator.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(glide) / RATE
    harmonics = sum(np.sin(k * phase + generator.uniform(0, 6)) / k for k in range(1, int(6000 / pitch)))
    noise = np.fft.rfft(generator.standard_normal(len(times)))
    breath = np.fft.irfft(noise / np.sqrt(1 + np.arange(len(noise)) / 200), len(times))
    syllables = 0.15 + np.clip(np.sin(2 * np.pi * 3.1 * times + generator.uniform(0, 6)), 0, None)
    found = syllables * (harmonics + breath / breath.std())
    return found / found.std()


def room(count: int, absorption: float, seed: int, seconds: float = 6.0) -> Room:
    """A room of 6 x 5 x 3 m by the image-source method of pyroomacoustics."""
    pra = package("pyroomacoustics")
    size, wanted, other = (6.0, 5.0, 3.0), (4.2, 3.4, 1.6), (1.4, 3.6, 1.6)
    places = np.stack([[3.0 + SPACING * (i - (count - 1) / 2), 1.5, 1.5] for i in range(count)], 1)
    generator = np.random.default_rng(seed)
    heard = []
    for place, pitch in ((wanted, 210.0), (other, 118.0)):
        simulated = pra.ShoeBox(size, fs=RATE, materials=pra.Material(absorption), max_order=12)
        simulated.add_source(list(place), signal=voice(seconds, pitch, generator))
        array = pra.Beamformer(places, RATE, N=FRAME)
        simulated.add_microphone_array(array)
        simulated.simulate()
        heard.append(torch.from_numpy(array.signals[:, : int(seconds * RATE)].copy()))
        if place == wanted:
            array.rake_delay_and_sum_weights(simulated.sources[0][:1])
            kept = array
    return Room(
        torch.from_numpy(places.T.copy()),
        torch.tensor(wanted, dtype=torch.float64),
        torch.tensor(other, dtype=torch.float64),
        torch.stack(heard),
        kept,
    )


def spectra(signals: Tensor) -> Tensor:
    """The short-time spectra, (..., frequency, frame)."""
    window = torch.hann_window(FRAME, dtype=signals.dtype)
    flat = torch.stft(signals.flatten(0, -2), FRAME, FRAME // 2, window=window, return_complex=True)
    return flat.unflatten(0, signals.shape[:-1])
