"""Nothing that is not lawful may follow a lawful layer: the check, on the operations as they run.

A forward pass is observed. The output of a lawful layer is lawful whatever came before; from there
on each operation keeps its laws or breaks them, by the rules of `following`, until the output of
the whole module is reached. What enters a lawful layer anew is lawful again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from physmix.errors import SettingsError
from physmix.optimization.observer import OBSERVERS, Observer, claim_of


def check_composition(model: nn.Module, *example: Any, **named: Any) -> None:
    """Check that nothing which follows a lawful layer breaks its laws, on the path of an example.

        physmix.check_composition(network, torch.rand(2, 64, 64, 3))

    `projected` does the same by itself in the first forward pass of training, unless that is compiled.
    After a lawful layer may come: another arrangement of points or fields; other channels beside them;
    one number that multiplies all fields of laws without sources; sums of lawful fields; given parts
    that are lawful themselves, such as the state to which an increment is added. Layers of `constrain`
    make no such claim: their relation is one of their own outputs.

    Args:
        model: with lawful layers, or lawful itself. It is run once as in evaluation.
        example: its arguments.
        named: its arguments with names.

    Raises:
        CompositionError: if an output of the model was made from lawful fields and is not lawful.
        SettingsError: if no output of the model is made by a lawful layer.
    """
    model = getattr(model, "_orig_mod", model)  # what was compiled
    training = [part for part in model.modules() if part.training]
    model.eval()
    try:
        with torch.enable_grad(), Observer(model) as observer:
            out = model(*example, **named)
    finally:
        for part in training:
            part.training = True
    if not observer.verdict(out):
        raise SettingsError(
            f"the composition of {type(model).__name__}",
            "no tensor that it returns comes from a lawful layer",
            "give an example whose path leads through one, and return tensors in tuples, lists or dicts",
        )


def derived(fields: Tensor) -> Tensor:
    """The same tensor, of which and of whatever is made from it no law is claimed.

    For quantities that follow from lawful fields beside them, such as a velocity m / rho.
    """
    out = fields.view_as(fields)
    for observer in OBSERVERS:
        observer.forget(out)
        observer.lost = None
    return out


def watch_composition(module: nn.Module) -> None:
    """Check the composition of a module in its first forward pass with gradients, once."""
    parts = dict(module.named_modules())
    lawful = [path for path, part in parts.items() if claim_of(part) is not None]
    outer = [path for path in lawful if not any(_within(path, other) for other in lawful)]
    around = {parts[above] for path in outer for above in _above(path)}
    if around:
        watch = _Watch(module)
        for part in around:
            watch.handles += [
                part.register_forward_pre_hook(watch.enter),
                part.register_forward_hook(watch.leave, always_call=True),
            ]


def _above(path: str) -> Iterator[str]:
    """The paths of the modules around one."""
    while path:
        path = path.rpartition(".")[0]
        yield path


def _within(path: str, other: str) -> bool:
    return path != other and (not other or path.startswith(other + "."))


class _Watch:
    """Hooks on the modules around lawful layers: the outermost one that is called is checked."""

    def __init__(self, root: nn.Module) -> None:
        self.root, self.depth, self.handles = root, 0, list[Any]()
        self.observer: Observer | None = None

    def enter(self, module: nn.Module, args: Any) -> None:
        del module, args
        if torch.compiler.is_compiling():
            return
        if torch._C._functorch.peek_interpreter_stack() is not None:  # noqa: SLF001
            return  # within torch.func, tensors have no numbers to look at
        if self.handles and self.observer is None and torch.is_grad_enabled():
            self.observer = Observer(self.root).__enter__()
        self.depth += self.observer is not None

    def leave(self, module: nn.Module, args: Any, out: Any) -> None:
        del module, args
        if torch.compiler.is_compiling() or self.observer is None:
            return
        self.depth -= 1
        if self.depth:
            self.observer.arrive(out)
            return
        observer, self.observer = self.observer, None
        observer.__exit__(None, None, None)
        if out is None:
            return  # the forward pass failed by itself
        for handle in self.handles:
            handle.remove()
        self.handles = []
        observer.verdict(out)
