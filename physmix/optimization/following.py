"""Which operations of torch keep the laws of lawful fields: a rule for each, and all others break them.

The rules know operations by the names they have in torch, as functions and as methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from physmix.optimization.claims import Broken, Track, joined

State = Track | Broken
Find = Callable[[Any], State | None]
_NOTHING = {"field": -1, "point": -1, "factor": 1.0}  # of an entry that is none of the fields
_COARSE = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Call:
    """A call of torch that takes lawful fields.

    Attributes:
        function: of torch.
        args: its arguments.
        kwargs: its named arguments.
        out: the tensors of its result that may be fields.
        find: the state of an argument before the call; None for one without lawful fields.
    """

    function: Any
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    out: Sequence[Tensor]
    find: Find

    @property
    def name(self) -> str:
        """The name of the operation; that of the property for one that is read."""
        name = str(getattr(self.function, "__name__", self.function))
        return str(self.function.__self__.__name__) if name == "__get__" else name

    @property
    def states(self) -> Iterator[State]:
        """Those of the arguments that have one."""
        found = (self.find(x) for x in tree_leaves((self.args, self.kwargs)) if isinstance(x, Tensor))
        return (state for state in found if state is not None)

    def all(self, state: State | None) -> list[State | None]:
        """One state for the whole result."""
        return [state] * len(self.out)


Result = list[State | None] | str
_RULES: dict[str, Callable[[Call], Result]] = {}


def follow(call: Call, where: str) -> list[State | None]:
    """The state of each tensor in the result of a call.

    Args:
        call: of an operation.
        where: the module that calls it, for messages.
    """
    states = list(call.states)
    if broken := next((state for state in states if isinstance(state, Broken)), None):
        return call.all(broken)
    rule = _RULES.get(call.name)
    if call.name.endswith("_like") or call.name.startswith("new_"):
        return call.all(None)  # it took the shape alone
    result = f"applies {call.name}" if rule is None else rule(call)
    if isinstance(result, str):
        assert isinstance(states[0], Track)
        return call.all(states[0].broken(where, result))
    return result


def _rule(names: str) -> Callable[[Callable[[Call], Result]], Callable[[Call], Result]]:
    """The rule of some operations: the states of the results, or in words what breaks the laws."""

    def register(function: Callable[[Call], Result]) -> Callable[[Call], Result]:
        _RULES.update(dict.fromkeys(names.split(), function))
        return function

    return register


@_rule("clone contiguous detach to double float half bfloat16 type type_as cpu cuda data")
def _same(call: Call) -> Result:
    """The same numbers elsewhere or in another precision."""
    if any(one.dtype in _COARSE and call.args[0].dtype not in _COARSE for one in call.out):
        return f"rounds each field by itself, to {str(call.out[0].dtype)[6:]}"
    return call.all(call.find(call.args[0]))


@_rule(
    "view view_as reshape reshape_as flatten unflatten ravel squeeze unsqueeze permute transpose swapaxes "
    "swapdims t T mT movedim moveaxis __getitem__ narrow select index_select unbind chunk split "
    "split_with_sizes tensor_split roll expand expand_as broadcast_to repeat tile"
)
def _moved(call: Call) -> Result:
    """The same numbers in another arrangement, or some of them."""
    track = call.find(call.args[0])
    if not isinstance(track, Track):
        return call.all(None)
    made = [
        tree_leaves(call.function(part, *call.args[1:], **call.kwargs))
        for part in (track.field, track.point, track.factor)
    ]
    return [track.entries(*parts) for parts in zip(*made, strict=True)]


@_rule("cat concat concatenate stack hstack vstack dstack column_stack")
def _joined(call: Call) -> Result:
    """Fields beside each other, and beside what is none."""
    sources = {id(x): x for x in tree_leaves(call.args) if call.find(x) is not None}
    tracks = joined([state for x in sources.values() if isinstance(state := call.find(x), Track)])
    if tracks is None:
        return "joins fields with different shares of a source"
    known = dict(zip(sources, tracks, strict=True))

    def made(name: str) -> Tensor:
        parts = tree_map(lambda x: _companion(x, name, known.get(id(x))), call.args)
        joint: Tensor = call.function(*parts, **call.kwargs)
        return joint

    return call.all(tracks[0].entries(*map(made, _NOTHING)))


@_rule("pad")
def _padded(call: Call) -> Result:
    """More entries around, that are none of the fields."""
    given: dict[str, Any] = dict(zip(("input", "pad", "mode"), call.args, strict=False), **call.kwargs)
    track = call.find(given["input"])
    if given.get("mode", "constant") != "constant" or not isinstance(track, Track):
        return "pads with fields"
    pad = torch.nn.functional.pad
    made = (pad(getattr(track, name), given["pad"], value=value) for name, value in _NOTHING.items())
    return call.all(track.entries(*made))


@_rule("__setitem__")
def _assigned(call: Call) -> Result:
    """Fields put into a tensor, or something else into fields."""
    target, index, value = call.args
    tracks = [state for state in call.states if isinstance(state, Track)]
    if len(tracks) > 1 and (tracks[0].call, tracks[0].weight) != (tracks[1].call, tracks[1].weight):
        return "puts fields of one lawful layer among those of another"
    made = []
    for name, nothing in _NOTHING.items():
        made.append(_companion(target, name, call.find(target)).clone())
        taken = isinstance(value, Tensor)
        made[-1][index] = _companion(value, name, call.find(value)) if taken else nothing
    return call.all(tracks[0].entries(*made))


@_rule("neg negative __neg__")
def _negative(call: Call) -> Result:
    (track,) = call.states
    assert isinstance(track, Track)
    return call.all(track.scaled(-1.0))


@_rule("add __add__ __radd__ add_ sub subtract __sub__ sub_ __rsub__ rsub")
def _sum(call: Call) -> Result:
    if len(call.args) != 2 or call.kwargs:
        return f"applies {call.name} with further arguments"
    first, second = call.args[::-1] if "rsub" in call.name else call.args
    sign = -1.0 if "sub" in call.name else 1.0
    left, right = call.find(first), call.find(second)
    if isinstance(left, Track) and isinstance(right, Track):
        total = left.plus(right, sign)
        return "adds fields of other laws, points or units" if total is None else call.all(total)
    track, given = (left, second) if isinstance(left, Track) else (right, first)
    assert isinstance(track, Track)
    if _learnt(given):
        return "adds what is learnt and not lawful"
    value = _number(given, track)
    shape = torch.broadcast_shapes(value.shape, track.factor.shape)
    track = track.moved(lambda x: x.expand(shape))
    if law := track.missed(value):
        return f"adds a given part that does not obey law {law!r}"
    return call.all(track.scaled(-1.0) if sign < 0 and left is None else track)


@_rule("mul multiply __mul__ __rmul__ mul_ div divide true_divide __truediv__ div_")
def _product(call: Call) -> Result:
    divided = "div" in call.name
    if len(call.args) != 2 or call.kwargs:
        return f"applies {call.name} with further arguments"
    first, second = call.args
    left, right = call.find(first), call.find(second)
    if left is not None and right is not None:
        return "multiplies or divides fields by each other"
    if divided and left is None:
        return _inverse(call)
    track, factor = (left, second) if isinstance(left, Track) else (right, first)
    assert isinstance(track, Track)
    homogeneous = not any(relation.source for relation in track.claim.relations)
    if _learnt(factor) and not (factor.numel() == 1 and homogeneous):
        return "multiplies by what is learnt"
    value = _number(factor, track).double()
    return call.all(track.scaled(1 / value if divided else value))


@_rule("__rdiv__ __rtruediv__ reciprocal")
def _inverse(call: Call) -> Result:
    del call
    return "divides by fields"


def _companion(value: Any, name: str, state: State | None) -> Any:
    """The fields, points or factors that belong to the entries of an argument."""
    if isinstance(state, Track):
        return getattr(state, name)
    if not isinstance(value, Tensor):
        return value
    kind = torch.float64 if name == "factor" else torch.int64
    return torch.full(value.shape, _NOTHING[name], dtype=kind, device=value.device)


def _number(value: Any, track: Track) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().to(track.factor.device)
    return torch.tensor(value, dtype=torch.float64, device=track.factor.device)


def _learnt(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad
