"""Lawful fields followed through the operations of a forward pass, as they run."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from physmix.errors import CompositionError
from physmix.optimization.claims import Broken, Claim, Track, complaint, together
from physmix.optimization.following import Call, State, follow

OBSERVERS: list[Observer] = []
"""Those that observe at present."""


def claim_of(module: nn.Module) -> Claim | None:
    """What a module says of its output, if it says anything."""
    claim = getattr(module, "claim", None)
    return claim if isinstance(claim, Claim) and claim.relations else None


class Observer(TorchFunctionMode):
    """Follows lawful fields through the operations of a module, while it is entered."""

    def __init__(self, root: nn.Module) -> None:
        super().__init__()
        self.names = {id(part): path or type(part).__name__ for path, part in root.named_modules()}
        self.running: list[nn.Module] = []
        # The tensors are kept, so that no other one takes their identity.
        self.known: dict[int, tuple[Tensor, int, State]] = {}
        # The last lawful fields, until some arrive at the output of a module around their layer.
        self.lost: Track | None = None

    def __enter__(self) -> Any:
        self.stack = ExitStack()
        for handle in (
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave),
        ):
            self.stack.callback(handle.remove)
        OBSERVERS.append(self)
        self.stack.callback(OBSERVERS.remove, self)
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

    def arrive(self, out: Any) -> list[State | None]:
        """The states of an output; a number, such as a loss, is no field."""
        states = [self.state(x) for x in tree_leaves(out) if _counts(x) and x.ndim]
        if any(states):
            self.lost = None
        return states

    def verdict(self, out: Any) -> bool:
        """Raise CompositionError for an output that is not lawful; tell whether some are."""
        states = self.arrive(out)
        if states and self.lost is not None:
            what = "is made from it where operations are not seen, as by vmap, numpy or scripted modules"
            lost = self.lost.broken("the output", what)
            raise CompositionError(lost.layer, lost.laws, lost.where, lost.what)
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
                state = _kept(before, name) or Track.of(claim, name, tensor)
                self.lost = state if isinstance(state, Track) else None
                self.note(tensor, state)


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
