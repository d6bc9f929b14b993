"""The deliverable: weights without pickle, and every way in which they can be wrong."""

import json

import pytest
import torch
from safetensors.torch import save

from physmix.errors import CheckpointError
from physmix.laws import compile_laws, parse_laws
from physmix.mixing import LawfulLayer
from physmix.operators import Operators
from physmix.training import load_weights, read_description, save_checkpoint

LAWS = {"mass": "dt(rho) + dx(m) = 0"}


def layer(laws=LAWS, seed=0):
    compiled = compile_laws(parse_laws(laws, "tx"), ["rho", "m"], Operators.derivatives("tx", 1))
    return LawfulLayer(compiled, 3, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def folder(tmp_path):
    save_checkpoint(tmp_path, layer(), {"laws": LAWS})
    return tmp_path


def test_weights_come_back(folder):
    other = layer(seed=1)
    assert not torch.equal(other.weight, layer().weight)
    load_weights(folder, other)
    assert torch.equal(other.weight, layer().weight)
    assert read_description(folder)["laws"] == LAWS
    assert sorted(p.name for p in folder.iterdir()) == ["model.json", "model.safetensors"]


def replace(folder, **tensors):
    state = {name: value.clone() for name, value in layer().state_dict().items()} | tensors
    (folder / "model.safetensors").write_bytes(save(state))


def test_weights_of_another_law_are_refused(folder):
    replace(folder, weight=layer({"other": "dt(rho) - dx(m) = 0"}).weight.detach())
    with pytest.raises(CheckpointError, match="come from another law"):
        load_weights(folder, layer())


def test_weights_that_are_not_finite_are_refused(folder):
    replace(folder, weight=torch.full_like(layer().weight, torch.nan).detach())
    with pytest.raises(CheckpointError, match="NaN"):
        load_weights(folder, layer())


@pytest.mark.parametrize("kind", [torch.int64, torch.bool, torch.int32, torch.float16], ids=str)
def test_weights_of_another_type_are_refused(folder, kind):
    replace(folder, weight=torch.ones_like(layer().weight).to(kind))
    with pytest.raises(CheckpointError, match="real or complex numbers"):
        load_weights(folder, layer())


def test_weights_of_another_shape_are_refused(folder):
    replace(folder, weight=torch.zeros(2, 4).double())
    with pytest.raises(CheckpointError, match="weight differ"):
        load_weights(folder, layer())


@pytest.mark.parametrize("size", [0, 7, 100])
def test_a_file_cut_short_is_refused(folder, size):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CheckpointError, match="cut short"):
        load_weights(folder, layer())


def test_pickled_weights_are_refused(folder):
    torch.save(layer().state_dict(), folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_weights(folder, layer())


DESCRIPTIONS = {
    "missing": (None, "no model.json"),
    "not JSON": ("{", "not readable JSON"),
    "binary": (b"\xff\xfe\x00", "not readable JSON"),
    "nested too deeply": ("[" * 100_000, "not readable JSON"),
    "a list": ("[]", "not a physmix checkpoint"),
    "another format": ('{"format": "other"}', "not a physmix checkpoint"),
    "another version": (json.dumps({"format": "physmix-checkpoint", "version": 99}), "version 99"),
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_bad_description_is_refused(folder, name):
    content, message = DESCRIPTIONS[name]
    path = folder / "model.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CheckpointError, match=message):
        read_description(folder)
