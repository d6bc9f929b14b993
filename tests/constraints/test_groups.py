"""Groups of channels: what makes no group is refused when the set is made."""

import pytest

from physmix.constraints import Groups, Orthonormal, Simplex
from physmix.errors import ShapeError


@pytest.mark.parametrize(
    ("members", "groups"),
    [(Orthonormal(), [[0, 1]]), (Simplex(), []), (Simplex(), [[]]), (Simplex(), [[0, 1], [1, 2]])],
    ids=["a manifold", "no group", "an empty group", "a shared place"],
)
def test_groups_that_are_no_groups_are_refused(members, groups):
    with pytest.raises(ShapeError):
        Groups(members, groups)
