"""Pictures of what a beamformer answers to each direction."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from physmix.applications import steering_vectors
from physmix.benchmarks.systems.acoustics import RATE, Room
from physmix.reporting import Curves, Image, Panel


def beam_patterns(
    place: Room, frequencies: Tensor, weights: Mapping[str, Tensor], chosen: int
) -> list[Panel]:
    """The gain in each direction of the plane of the array, at one frequency and at all.

    Args:
        place: the room.
        frequencies: (frequency,), in Hz.
        weights: of beamformers by name, (frequency, 1, microphone).
        chosen: the frequency that is drawn by itself, by number.
    """
    microphones = place.microphones
    angles = torch.linspace(0, 180, 181, dtype=torch.float64)
    centre = microphones.mean(0)

    def angle(source: Tensor) -> float:
        along = source - centre
        return float(torch.rad2deg(torch.atan2(along[1], along[0])))

    gains = {}
    for name, weight in weights.items():
        towards = torch.stack(
            [torch.cos(torch.deg2rad(angles)), torch.sin(torch.deg2rad(angles)), 0 * angles], 1
        )
        answers = torch.stack(
            [
                (weight @ steering_vectors(microphones, t, frequencies, far=True)[..., None])[:, 0, 0]
                for t in towards
            ],
            1,
        )
        gains[name] = 20 * answers.abs().clamp_min(1e-6).log10().numpy()
    marks = {"wanted": angle(place.wanted), "other": angle(place.other)}
    at = f"{float(frequencies[chosen]):.0f} Hz"
    panels: list[Panel] = [
        Curves(
            f"Beam pattern at {at}",
            ("angle from the array (degrees)", "gain (dB)"),
            {name: (angles, gain[chosen]) for name, gain in gains.items()},
            limits=(-40, 10),
            marks=marks,
        )
    ]
    panels += [
        Image(
            f"Beam pattern, {name}",
            gain[::-1],
            ("angle from the array (degrees)", "frequency (kHz)"),
            unit="gain (dB)",
            limits=(-40, 5),
            extent=(0.0, 180.0, 0.0, RATE / 2000),
        )
        for name, gain in gains.items()
    ]
    return panels
