"""Regions of meshes: points, normals, names, integrals, and a flow in one."""

import math

import meshio
import numpy as np
import pytest
import torch

from physmix.errors import MeshFileError, SettingsError
from physmix.problems import Condition, Equations, Problem, Region, quadrature
from physmix.training import solve


def ring(cells, *, quads):
    """Between circles of radius 0.5 and 1, as far as its cells go."""
    angle = np.linspace(0, 2 * math.pi, cells, endpoint=False)
    layers = 0.5 + 0.5 * np.linspace(0, 1, cells // 6 + 1) ** 1.5
    points = np.concatenate([r * np.stack([np.cos(angle), np.sin(angle)], 1) for r in layers])
    index = np.arange(len(points)).reshape(len(layers), cells)
    ahead = np.roll(index, -1, 1)
    blocks = np.stack([index[:-1], ahead[:-1], ahead[1:], index[1:]], -1).reshape(-1, 4)
    inner, outer = (np.stack([index[i], ahead[i]], 1) for i in (0, -1))
    cross = np.stack([index[:-1, 0], index[1:, 0]], 1)  # inside: bounds nothing
    body = [("quad", blocks)] if quads else [("triangle", blocks[:, :3]), ("triangle", blocks[:, [0, 2, 3]])]
    sides = [("line", inner), ("line", outer), ("line", cross)]
    tags = [
        *(np.full(len(b), 9) for _, b in body),
        *(np.full(len(s), i + 1) for i, (_, s) in enumerate(sides)),
    ]
    return meshio.Mesh(
        points,
        [*body, *sides],
        cell_data={"gmsh:physical": tags, "gmsh:geometrical": tags},
        field_data={"inner": np.array([1, 1]), "outer": np.array([2, 1]), "fluid": np.array([9, 2])},
    )


@pytest.fixture(scope="module", params=[True, False], ids=["quads", "triangles"])
def file(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("mesh") / "ring.msh"
    whole = ring(48, quads=request.param)
    meshio.write(path, whole, file_format="gmsh22", binary=False)
    return path


def polygon(radius, cells=48):
    return cells * radius**2 * math.sin(2 * math.pi / cells) / 2


def test_groups_become_parts_with_outward_normals(file):
    region = Region.from_mesh(file)
    assert [part.name for part in region.boundary] == ["inner", "outer"]
    for name, sign in (("inner", -1.0), ("outer", 1.0)):
        sample = region.part(name).sample(200, seed=1)
        radius = sample.points.norm(dim=1)
        torch.testing.assert_close((sample.points * sample.normals).sum(1) * sign, radius, rtol=0.01, atol=0)
        torch.testing.assert_close(sample.normals.norm(dim=1), torch.ones(200).double())
        assert not bool(region.contains(sample.points + 1e-6 * sample.normals).any())
        assert bool(region.contains(sample.points - 1e-6 * sample.normals).all())


def test_points_are_even_in_area_or_as_dense_as_the_cells(file):
    even, graded = (Region.from_mesh(file, graded=g).sample(4000, seed=3) for g in (False, True))
    area = polygon(1.0) - polygon(0.5)
    inside = (polygon(0.7) - polygon(0.5)) / area
    for sample in (even, graded):
        radius = sample.points.norm(dim=1)
        assert 0.49 < float(radius.min()) < float(radius.max()) <= 1
        assert float(((radius < 0.7) * sample.share).mean()) == pytest.approx(inside, abs=0.01)
    assert float((graded.points.norm(dim=1) < 0.7).double().mean()) > 1.2 * inside
    assert float(graded.share.max()) > 1.5 * float(graded.share.min())


def test_integrals_are_those_of_the_cells(file):
    region = Region.from_mesh(file)
    sample, weights = quadrature(region, 4)
    area = polygon(1.0) - polygon(0.5)
    assert float(weights.sum()) == pytest.approx(area, rel=1e-12)
    flux = 0.0
    for part in region.boundary:  # of (x^3, y): the integral of 3 x^2 + 1
        edge, along = quadrature(part, 4)
        field = torch.stack([edge.points[:, 0] ** 3, edge.points[:, 1]], 1)
        flux += float((along * (field * edge.normals).sum(1)).sum())
    assert float((weights * (3 * sample.points[:, 0] ** 2 + 1)).sum()) == pytest.approx(flux, rel=1e-12)


def test_time_goes_with_a_mesh_and_limits_cut_it(file):
    region = Region.from_mesh(file, t=(0, 2)).inside(lambda p: p[:, 2])
    assert region.coordinates == ("t", "x", "y")
    assert region.start.name == "t=low"
    sample = region.sample(300)
    assert bool(region.contains(sample.points).all())
    assert float(sample.points[:, 2].min()) >= 0
    start = region.start.sample(50)
    assert not start.points[:, 0].any()
    assert not start.normals.any()
    _, weights = quadrature(Region.from_mesh(file, t=(0, 2)).part("outer"), 4)
    assert float(weights.sum()) == pytest.approx(2 * 2 * 48 * math.sin(math.pi / 48), rel=1e-12)
    _, weights = quadrature(Region.from_mesh(file, t=(0, 2)), 4, t=1.0)
    assert float(weights.sum()) == pytest.approx(polygon(1.0) - polygon(0.5), rel=1e-12)
    with pytest.raises(SettingsError, match="cannot be held"):
        quadrature(region, 4, x=0.0)


def test_tetrahedra_fill_a_cube(tmp_path):
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    paths = [(0, 4, 6, 7), (0, 4, 5, 7), (0, 2, 6, 7), (0, 2, 3, 7), (0, 1, 5, 7), (0, 1, 3, 7)]
    meshio.write(tmp_path / "cube.vtu", meshio.Mesh(corners, [("tetra", np.array(paths))]))
    region = Region.from_mesh(tmp_path / "cube.vtu")
    assert list(region.parts) == ["boundary"]
    sample, weights = quadrature(region, 4)
    assert float((weights * sample.points[:, 0] ** 2).sum()) == pytest.approx(1 / 3, rel=1e-12)
    edge, along = quadrature(region.part("boundary"), 4)
    assert float((along * (edge.points * edge.normals).sum(1)).sum()) == pytest.approx(3.0, rel=1e-12)
    at = torch.tensor([[0.3, 0.9, 0.2], [1.1, 0.5, 0.5], [0.5, 0.5, -0.01]], dtype=torch.float64)
    assert region.contains(at).tolist() == [True, False, False]
    assert float(region.sample(2000).points.mean()) == pytest.approx(0.5, abs=0.01)
    assert bool(region.contains(region.sample(200).points).all())


def test_heat_in_a_mesh(file):
    """Around a hole, with a temperature that sends nothing into it in sum."""
    heat = Equations(
        "heat",
        "xy",
        ("T", "qx", "qy"),
        {"energy": "dx(qx) + dy(qy) = 0"},
        lambda y: {a: y[f"q{a}"] + y.d("T", a) for a in "xy"},
    )

    def true(points):
        return points[:, 0] * (1 + 0.2 / points.square().sum(1))

    region = Region.from_mesh(file)
    given = [Condition(region.boundary, {"T": true})]
    solution = solve(Problem(region, heat, given, points=500, boundary_points=160), features=140, slope=3.0)
    at = region.sample(300, seed=8).points
    assert float((solution.at(at)["T"] - true(at)).abs().max()) < 5e-3
    inflow = solution.integral(region.part("inner"), lambda y: y["qx"] * y["nx"] + y["qy"] * y["ny"])
    assert inflow == pytest.approx(0, abs=1e-10)


def test_what_is_no_region_is_refused(tmp_path):
    path = tmp_path / "lines.vtu"
    meshio.write(path, meshio.Mesh(np.eye(3)[:, :2], [("line", np.array([[0, 1], [1, 2]]))]))
    with pytest.raises(MeshFileError, match="no triangles"):
        Region.from_mesh(path)
    meshio.write(path, meshio.Mesh(np.eye(3), [("triangle", np.array([[0, 1, 2]]))]))
    with pytest.raises(MeshFileError, match="plane z = 0"):
        Region.from_mesh(path)
    flat = np.array([[0.0, 0], [1, 0], [2, 0]])
    meshio.write(path, meshio.Mesh(flat, [("triangle", np.array([[0, 1, 2]]))]))
    with pytest.raises(MeshFileError, match="without a volume"):
        Region.from_mesh(path)
    with pytest.raises(MeshFileError, match="does not exist"):
        Region.from_mesh(tmp_path / "none.msh")
