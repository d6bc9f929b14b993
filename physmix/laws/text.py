"""Laws from their text: parsed by the grammar of `grammar`, and never evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from physmix.errors import LawSyntaxError, SettingsError
from physmix.laws.components import Components, Expander, Expression, Index
from physmix.laws.grammar import read
from physmix.laws.law import Law
from physmix.laws.notation import Constant, Notation
from physmix.laws.ranks import infer_ranks
from physmix.laws.tokens import in_range


def parse_law(
    name: str,
    text: str,
    coordinates: Iterable[str],
    *,
    vectors: Iterable[str] = (),
    tensors: Iterable[str] = (),
    constants: Mapping[str, Constant] | None = None,
) -> tuple[Law, ...]:
    """Read one law, such as "dt(rho) + div(m) = 0".

    An equation between scalars is one law; one between vectors or tensors is one law for each component,
    named after it: faraday_x, faraday_y. Vector operators act over all coordinates but t.

    Args:
        name: the word used for the law in messages and metrics.
        text: the law; see `physmix.laws.grammar` and `physmix.laws.components`.
        coordinates: the coordinates the fields depend on; coordinate x has the operator dx.
        vectors: names of vector fields; u has the components ux, uy.
        tensors: names of symmetric tensor fields; s has the components sxx, sxy, syy.
        constants: numbers by name, read exactly: {"eps0": "8.8541878128e-12"}.

    Raises:
        LawSyntaxError: if the text is no linear law with constant coefficients, or its vectors and scalars
            do not fit; it points at the column.
        SettingsError: if the coordinates or declarations are no names, or a constant is no number.
    """
    return _parse(name, text, Notation.of(coordinates, vectors, tensors, constants))


def parse_laws(
    texts: Mapping[str, str],
    coordinates: Iterable[str],
    *,
    vectors: Iterable[str] = (),
    tensors: Iterable[str] = (),
    constants: Mapping[str, Constant] | None = None,
) -> tuple[Law, ...]:
    """Read several laws, from name to text; see `parse_law`.

    Raises:
        LawSyntaxError, SettingsError: as `parse_law` does; also if laws have no names, or two have one.
    """
    if not isinstance(texts, Mapping):
        raise SettingsError(
            "the laws",
            f"{str(texts)[:80]!r} has no names",
            "give them by name, such as {'mass': 'div(u) = 0'}, or use parse_law(name, text, coordinates)",
        )
    notation = Notation.of(coordinates, vectors, tensors, constants)
    laws = tuple(law for name, text in texts.items() for law in _parse(name, text, notation))
    seen: set[str] = set()
    for law in laws:
        if law.name in seen:
            raise SettingsError("the laws", f"two of them are called {law.name!r}", "rename one")
        seen.add(law.name)
    return laws


def _parse(name: str, text: str, notation: Notation) -> tuple[Law, ...]:
    if not isinstance(text, str):
        raise LawSyntaxError(repr(text), 0, "not a text")
    equation = read(text, notation)
    ranks = infer_ranks(equation, notation, text)
    components = Expander(notation, ranks, text).of(equation.tree)
    _check_symmetric(components, text)
    laws = []
    for index in sorted(components):
        if list(index) == sorted(index):
            suffix = "".join(notation.coordinates[i] for i in index)
            whole = f"{name}_{suffix}" if suffix else name
            laws.append(_law(whole, components[index], notation, text, integral=equation.integral))
    if not laws:
        raise LawSyntaxError(text, 0, "no field is left in the law")
    return tuple(laws)


def _check_symmetric(components: Components, text: str) -> None:
    """A tensor's name is symmetric; an equation with what is not would say more than it seems to."""
    for index, expression in components.items():
        if len(index) > 2:
            raise LawSyntaxError(text, 0, "an equation has two free indices at most")
        mirrored: Index = index[::-1]
        if expression != components.get(mirrored):
            problem = "named tensors are symmetric, and this equation between tensors is not"
            raise LawSyntaxError(text, 0, f"{problem}; write its components one by one")


def _law(name: str, terms: Expression, notation: Notation, text: str, *, integral: bool) -> Law:
    """One component, checked."""
    one = (0,) * len(notation.coordinates)
    source = -terms.pop(("", one), Fraction(0))
    if not terms:
        raise LawSyntaxError(text, 0, "no field is left in the law")
    if integral and (source or any(any(m) for _, m in terms)):
        raise LawSyntaxError(text, 0, "an integral is taken of fields, without constants or derivatives")
    if not all(map(in_range, [*terms.values(), source])):
        raise LawSyntaxError(text, 0, "a coefficient is not between 1e-100 and 1e100")
    return Law(name, notation.coordinates, terms, source, integral)
