"""Nothing that is not lawful may follow a lawful layer: the check, on the operations as they run.

A forward pass is observed. The output of a lawful layer is lawful whatever came before; from there
on each operation keeps its laws or breaks them, by the rules of `following`, until the output of
the whole module is reached. What enters a lawful layer anew is lawful again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from physmix.errors import CompositionError, SettingsError
from physmix.optimization.claims import Broken, Claim, Track, complaint, together
from physmix.optimization.following import Call, State, follow

_OBSERVERS: list[Observer] = []


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
    for observer in _OBSERVERS:
        observer.forget(out)
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


def claim_of(module: nn.Module) -> Claim | None:
    """What a module says of its output, if it says anything."""
    claim = getattr(module, "claim", None)
    return claim if isinstance(claim, Claim) and claim.relations else None


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
        if self.handles and self.observer is None and torch.is_grad_enabled():
            self.observer = Observer(self.root).__enter__()
        self.depth += self.observer is not None

    def leave(self, module: nn.Module, args: Any, out: Any) -> None:
        del module, args
        if torch.compiler.is_compiling() or self.observer is None:
            return
        self.depth -= 1
        if self.depth:
            return
        observer, self.observer = self.observer, None
        observer.__exit__(None, None, None)
        if out is None:
            return  # the forward pass failed by itself
        for handle in self.handles:
            handle.remove()
        self.handles = []
        observer.verdict(out)


class Observer(TorchFunctionMode):
    """Follows lawful fields through the operations of a module, while it is entered."""

    def __init__(self, root: nn.Module) -> None:
        super().__init__()
        self.names = {id(part): path or type(part).__name__ for path, part in root.named_modules()}
        self.running: list[nn.Module] = []
        # The tensors are kept, so that no other one takes their identity.
        self.known: dict[int, tuple[Tensor, int, State]] = {}

    def __enter__(self) -> Any:
        self.stack = ExitStack()
        for handle in (
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave),
        ):
            self.stack.callback(handle.remove)
        _OBSERVERS.append(self)
        self.stack.callback(_OBSERVERS.remove, self)
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.stack.close()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = kwargs or {}
        states = {id(x): self.state(x) for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        out = func(*args, **kwargs)
        if any(state is not None for state in states.values()):
            made = args[0] if func is Tensor.__setitem__ else out
            tensors = [x for x in tree_leaves(made) if _counts(x)]
            found = follow(Call(func, args, kwargs, tensors, lambda x: states.get(id(x))), self.where())
            for tensor, state in zip(tensors, found, strict=True):
                self.note(tensor, state)
        return out

    def where(self) -> str:
        """The module that runs, with its kind."""
        if not self.running:
            return "what runs"
        part = self.running[-1]
        return f"{self.names.get(id(part), '?')} ({type(part).__name__})"

    def state(self, tensor: Tensor) -> State | None:
        """What is known of a tensor."""
        _, version, state = self.known.get(id(tensor), (None, 0, None))
        if isinstance(state, Track) and tensor._version != version:  # noqa: SLF001
            return state.broken(self.where(), "meets fields that were changed in place through a view")
        return state

    def note(self, tensor: Tensor, state: State | None) -> None:
        """Remember what is known of a tensor."""
        if state is None:
            self.forget(tensor)
        else:
            self.known[id(tensor)] = (tensor, tensor._version, state)  # noqa: SLF001

    def forget(self, tensor: Tensor) -> None:
        """Follow a tensor no longer."""
        self.known.pop(id(tensor), None)

    def verdict(self, out: Any) -> bool:
        """Raise CompositionError for an output that is not lawful; tell whether some are.

        A number, such as a loss, is no field.
        """
        states = [self.state(x) for x in tree_leaves(out) if _counts(x) and x.ndim]
        for state in states:
            if isinstance(state, Broken):
                raise CompositionError(state.layer, state.laws, state.where, state.what)
        tracks = [state for state in states if isinstance(state, Track)]
        for group in together(tracks):
            if problem := complaint(group):
                broken = group[0].broken("the output", problem)
                raise CompositionError(broken.layer, broken.laws, broken.where, broken.what)
        return bool(tracks)

    def _enter(self, module: nn.Module, args: Any) -> None:
        del args
        self.running.append(module)

    def _leave(self, module: nn.Module, args: Any, out: Any) -> None:
        while self.running and self.running.pop() is not module:
            pass  # a part whose error was caught
        claim = claim_of(module)
        if claim is None:
            return
        name = self.names.get(id(module), "?")
        before = [self.state(x) for x in tree_leaves(args) if isinstance(x, Tensor)] if claim.kept else []
        for tensor in tree_leaves(out):
            if _counts(tensor) and tensor.ndim and tensor.shape[-1] == len(claim.fields):
                self.note(tensor, _kept(before, name) or Track.of(claim, name, tensor))


def _kept(before: list[State | None], where: str) -> Broken | None:
    """What broke the laws in the input of a module that only keeps them."""
    for state in before:
        if isinstance(state, Broken):
            return state
        if isinstance(state, Track) and (problem := complaint([state])):
            return state.broken(f"the input of {where}", problem)
    return None


def _counts(value: Any) -> bool:
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())
