"""Surrogates outside of torch: exported programs, and ONNX, with the law as exact as before."""

import io

import onnxruntime
import pytest
import torch

from physmix.grids import PeriodicAxis, StaggeredGrid
from physmix.laws import parse_laws
from physmix.mixing import FluxLayer
from physmix.surrogates import FieldStack, LawfulStep, PositiveGas
from physmix.surrogates.networks import UNet, drawn_from, fourier_operator, u_shaped_operator

# The exporter copies a structure of torch whose class torch calls deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)`:FutureWarning:copyreg")

FIELDS = ("rho", "mx", "my", "E")
LAWS = parse_laws({name: f"integral({name}) = const" for name in FIELDS}, "txy")
GRID = StaggeredGrid({"x": PeriodicAxis(16, 1.0), "y": PeriodicAxis(8, 1.0)})
GAS = PositiveGas(FIELDS, 1.4, density=1e-2, pressure=1e-2)
NETWORKS = {
    "fno": lambda: fourier_operator(4, 6, 2, modes=6, width=8, depth=2),
    "uno": lambda: u_shaped_operator(4, 6, 2, modes=6, width=8),
    "unet": lambda: UNet(4, 6, 2, width=8, levels=2),
}


def surrogate(name, gain):
    generator = torch.Generator().manual_seed(0)
    if name == "stack":
        return FieldStack(LAWS, FIELDS, latent=2, width=8, depth=2, generator=generator).float().eval()
    head = FluxLayer(GRID, LAWS, FIELDS, 6, gain=gain, generator=generator)
    with drawn_from(generator):
        return LawfulStep(NETWORKS[name](), head, members=GAS, parts=2).float().eval()


def gases(seed=0, batch=3):
    draw = torch.Generator().manual_seed(seed)
    rho = 0.2 + torch.rand(batch, 16, 8, generator=draw)
    m = 0.3 * torch.randn(batch, 16, 8, 2, generator=draw)
    energy = 0.3 + torch.rand(batch, 16, 8, generator=draw) + m.square().sum(-1) / (2 * rho)
    return torch.stack([rho, *m.unbind(-1), energy], -1)


def lawful(state, after):
    total = lambda values: values.double().sum((1, 2))
    return float(((total(after) - total(state)).abs() / total(state.abs())).max()) < 1e-6


SLOW = pytest.mark.slow
EACH = [  # the larger gain would leave the positive gases
    ("fno", 20.0),
    ("unet", 20.0),
    ("stack", 0.1),
    pytest.param("fno", 0.1, marks=SLOW),
    pytest.param("uno", 0.1, marks=SLOW),
    pytest.param("uno", 20.0, marks=SLOW),
    pytest.param("unet", 0.1, marks=SLOW),
]


@pytest.mark.parametrize(("name", "gain"), EACH)
def test_an_exported_program_is_the_same_and_lawful(name, gain):
    model = surrogate(name, gain)
    program = torch.export.export(model, (gases(),))
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    for seed in (0, 1):
        state = gases(seed)
        with torch.no_grad():
            expected = model(state)
            if gain > 1 and name != "stack":
                assert not GAS.contains(state + model.change(state).change()).all()
            torch.testing.assert_close(loaded(state), expected, rtol=1e-5, atol=1e-5)
            assert lawful(state, loaded(state))


@pytest.mark.parametrize(
    ("name", "gain"), [("unet", 20.0), ("stack", 0.1), pytest.param("unet", 0.1, marks=SLOW)]
)
def test_convolutional_ones_run_in_onnxruntime_and_conserve(name, gain):
    model = surrogate(name, gain)
    made = torch.onnx.export(model, (gases(),), dynamo=True, verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # tests run in parallel processes
    session = onnxruntime.InferenceSession(
        made.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    for seed in (0, 1):
        state = gases(seed)
        (found,) = session.run(None, {session.get_inputs()[0].name: state.numpy()})
        found = torch.from_numpy(found)
        with torch.no_grad():
            torch.testing.assert_close(found, model(state), rtol=1e-6, atol=1e-6)
        assert lawful(state, found)


def test_what_onnx_cannot_say_of_a_fourier_operator():
    """Its weights are complex, and ONNX has no product of complex numbers."""
    with pytest.raises(torch.onnx.OnnxExporterError):
        torch.onnx.export(surrogate("fno", 0.1), (gases(),), dynamo=True, verbose=False)
