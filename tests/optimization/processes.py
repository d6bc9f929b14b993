"""What the processes of the distributed tests run, in a module that they can import."""

import torch
from torch import nn, optim

from physmix.constraints import LinearSet, Orthonormal, Simplex, on_inputs, on_outputs
from physmix.mixing import MixingLayer
from physmix.optimization import constrained_parameters, project_weights, projected, violations

WORLD, STEPS, SAMPLES, WIDTH = 2, 12, 8, 5  # five rows: two processes get shards of different length
CLIPS = (None, 0.1)  # norms of the gradient


def mixer():
    """Layers on sets of rows, of rows with answers of their own, of whole matrices, and a free one."""
    generator = torch.Generator().manual_seed(1)
    random = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)
    sets = {
        "rows": LinearSet(random(2, WIDTH), random(2)),
        "answers": on_inputs(random(WIDTH, 2), random(WIDTH, 2)),
        "shares": Simplex(),
        "outputs": on_outputs(random(2, WIDTH), random(2, WIDTH)),
        "orthonormal": Orthonormal("rows"),
        "free": None,
    }
    layers = {
        name: MixingLayer(WIDTH, WIDTH, members, dtype=torch.float64, generator=generator)
        for name, members in sets.items()
    }
    return nn.Sequential(*(part for layer in layers.values() for part in (layer, nn.Tanh())))


def samples():
    """Inputs and noisy targets that obey nothing."""
    generator = torch.Generator().manual_seed(2)
    return (
        torch.randn(SAMPLES, WIDTH, generator=generator, dtype=torch.float64),
        torch.randn(SAMPLES, WIDTH, generator=generator, dtype=torch.float64),
    )


def train(model, places, steps=STEPS, clip=None):
    """Projected Adam on some of the samples."""
    inputs, targets = (part[places] for part in samples())
    optimizer = projected(optim.Adam(model.parameters(), lr=0.03), model)
    decay = optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(inputs), targets).backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        decay.step()
    return optimizer


def whole(model):
    """The weights of a model, sharded or not, in order."""
    return [
        (p.full_tensor() if hasattr(p, "full_tensor") else p).detach().clone() for p in model.parameters()
    ]


def refusal(model, places):
    """What is said of gradients that are clipped entry by entry."""
    from physmix.errors import UnsupportedOptimizerError

    inputs, targets = (part[places] for part in samples())
    optimizer = projected(optim.SGD(model.parameters(), lr=0.01), model)
    try:
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(inputs), targets, reduction="sum").backward()
            for p in model.parameters():
                local = p.grad.to_local() if hasattr(p.grad, "to_local") else p.grad
                local.clamp_(-1e-3, 1e-3)
            optimizer.step()
    except UnsupportedOptimizerError as error:
        return str(error)
    return ""


def opposite(rank):
    """A gradient with two equal entries, on each process elsewhere, that nobody clipped."""
    from torch.nn.parallel import DistributedDataParallel

    layer = nn.Linear(3, 2, bias=False).double()
    layer.constrained = {"weight": LinearSet(torch.ones(1, 3, dtype=torch.float64))}
    project_weights(layer)
    replicated = DistributedDataParallel(layer)
    optimizer = projected(optim.SGD(layer.parameters(), lr=0.1), layer)
    for turn in range(3):
        optimizer.zero_grad()
        inputs = torch.eye(3, dtype=torch.float64)[[(rank + turn) % 3]]
        nn.functional.cross_entropy(replicated(inputs), torch.tensor([0])).backward()
        optimizer.step()


def shard(model, mesh):
    """Shard every layer by itself, and the rest."""
    from torch.distributed.fsdp import fully_shard

    for layer in list(model)[::2]:
        fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def run(rank, folder):
    """Train under DDP and under FSDP2, and leave what came out in a file."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "store"), WORLD)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=WORLD)
    places = slice(rank * SAMPLES // WORLD, (rank + 1) * SAMPLES // WORLD)
    out = {}
    try:
        mesh = init_device_mesh("cpu", (WORLD,))
        for clip in CLIPS:
            replicated = DistributedDataParallel(mixer())
            train(replicated, places, clip=clip)
            out["ddp", clip] = whole(replicated.module), violations(replicated.module)
            sharded = shard(mixer(), mesh)
            train(sharded, places, clip=clip)
            out["fsdp2", clip] = whole(sharded), violations(sharded)
        out["rows"] = [p.to_local().shape[0] for p in sharded.parameters()]

        with torch.no_grad():
            for p, _ in constrained_parameters(sharded):
                p.add_(0.1)
        out["broken"] = violations(sharded)
        project_weights(sharded)
        out["projected"] = violations(sharded)

        opposite(rank)
        out["ddp refusal"] = refusal(DistributedDataParallel(mixer()), places)
        out["fsdp2 refusal"] = refusal(sharded, places)
        torch.save(out, folder / f"{rank}.pt")
        dist.barrier()  # one that leaves while the other is still at work may end in an abort of gloo
    finally:
        dist.destroy_process_group()
