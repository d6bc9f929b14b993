"""Fields out to ParaView, and meshes in, with other programs' own readers as judges."""

import re
import sys
from xml.etree import ElementTree as ET

import meshio
import numpy as np
import pytest

from physmix.errors import MeshFileError, MissingPackageError, ShapeError
from physmix.flows import Mesh, read_mesh, write_vti, write_vtu, write_vtu_series

POINTS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
FIELDS = {"p": np.arange(4.0), "u": np.arange(8.0).reshape(4, 2)}
TRIANGLES = {"triangle": np.array([[0, 1, 2], [0, 2, 3]])}


@pytest.mark.parametrize("cells", [{}, TRIANGLES], ids=["points", "triangles"])
def test_a_mesh_comes_back(tmp_path, cells):
    path = tmp_path / "new" / "flow.vtu"
    write_vtu(path, Mesh(POINTS, cells, FIELDS))
    found = read_mesh(path)
    np.testing.assert_array_equal(found.points, POINTS)
    np.testing.assert_array_equal(found.fields["p"], FIELDS["p"])
    np.testing.assert_array_equal(found.fields["u"][:, :2], FIELDS["u"])
    assert found.fields["u"].shape == (4, 3)  # as ParaView wants vectors
    (kind,) = found.cells
    np.testing.assert_array_equal(found.cells[kind], cells.get(kind, np.arange(4)[:, None]))
    assert meshio.read(path).points.shape == (4, 3)
    assert [file.name for file in path.parent.iterdir()] == ["flow.vtu"]


def test_meshes_of_other_programs_are_read(tmp_path):
    space = np.c_[POINTS, [0.0, 0.0, 0.0, 1.0]]
    meshio.write(tmp_path / "body.msh", meshio.Mesh(space, [("tetra", np.array([[0, 1, 2, 3]]))]), "gmsh22")
    found = read_mesh(tmp_path / "body.msh")
    np.testing.assert_array_equal(found.points, space)
    assert found.cells["tetra"].tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize("grid", [(3, 4), (3, 4, 2)])
def test_a_grid_is_what_paraview_expects(tmp_path, grid):
    axes = {name: 0.5 + 0.25 * np.arange(n) for name, n in zip("xyz", grid, strict=False)}
    p, u = (
        np.random.default_rng(0).normal(size=grid),
        np.random.default_rng(1).normal(size=(*grid, len(grid))),
    )
    path = tmp_path / "flow.vti"
    write_vti(path, axes, {"p": p, "u": u})
    content = path.read_bytes()
    head, _, raw = content.partition(b'encoding="raw">\n_')
    said = head.decode()
    shape = (*grid, *(1,) * (3 - len(grid)))
    assert f'WholeExtent="0 {shape[0] - 1} 0 {shape[1] - 1} 0 {shape[2] - 1}"' in said
    assert re.search(r'Origin="0.5 0.5 0\.[05]', said)
    assert re.search(r'Spacing="0.25 0.25 ', said)
    offsets = [int(n) for n in re.findall(r'offset="(\d+)"', said)]
    values = [
        np.frombuffer(raw, "<f8", count, offset + 8)
        for offset, count in zip(offsets, (p.size, 3 * p.size), strict=True)
    ]
    np.testing.assert_array_equal(values[0].reshape(shape, order="F").squeeze(), p.squeeze())
    vectors = values[1].reshape(3, *shape, order="F")  # x runs fastest, components before it
    np.testing.assert_array_equal(np.moveaxis(vectors, 0, -1)[..., : len(grid)].reshape(u.shape), u)
    assert [file.name for file in tmp_path.iterdir()] == ["flow.vti"]


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(ShapeError, match="field p"):
        write_vtu(tmp_path / "a.vtu", Mesh(POINTS, {}, {"p": np.zeros(3)}))
    axes = {"x": np.arange(3.0), "y": np.arange(4.0)}
    with pytest.raises(ShapeError, match="field p"):
        write_vti(tmp_path / "a.vti", axes, {"p": np.zeros((4, 3))})
    for name, x in (("a.vti", np.array([0.0, 1.0, 3.0])), ("a.vtu", axes["x"])):
        with pytest.raises(MeshFileError, match="evenly spaced"):
            write_vti(tmp_path / name, {**axes, "x": x}, {"p": np.zeros((3, 4))})
    with pytest.raises(MeshFileError, match="does not exist"):
        read_mesh(tmp_path / "none.vtu")
    whole = tmp_path / "b.vtu"
    write_vtu(whole, Mesh(POINTS, TRIANGLES, FIELDS))
    (tmp_path / "cut.vtu").write_bytes(whole.read_bytes()[:-200])
    (tmp_path / "b.nothing").write_text("x")
    for name in ("cut.vtu", "b.nothing"):
        with pytest.raises(MeshFileError, match="cannot be read"):
            read_mesh(tmp_path / name)
    write_vtu(whole, Mesh(POINTS, TRIANGLES, {"p": np.array([1.0, np.nan, 2.0, np.inf])}))
    with pytest.raises(MeshFileError, match="p has 2 numbers"):
        read_mesh(whole)


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "meshio", None)
    monkeypatch.setitem(sys.modules, "pyevtk.hl", None)
    with pytest.raises(MissingPackageError, match=r"physmix\[vtk\]"):
        read_mesh(tmp_path / "a.vtu")
    with pytest.raises(MissingPackageError, match="pyevtk"):
        write_vti(tmp_path / "a.vti", {"x": np.arange(2.0)}, {})


def test_a_film_names_its_files_and_times(tmp_path):
    meshes = [Mesh(POINTS, TRIANGLES, {"p": np.full(len(POINTS), float(i))}) for i in range(3)]
    write_vtu_series(tmp_path / "flow.pvd", [0.0, 0.25, 1.0], meshes)
    listed = ET.parse(tmp_path / "flow.pvd").getroot().findall("Collection/DataSet")
    assert [float(one.attrib["timestep"]) for one in listed] == [0.0, 0.25, 1.0]
    for i, one in enumerate(listed):
        np.testing.assert_array_equal(read_mesh(tmp_path / one.attrib["file"]).fields["p"], float(i))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["flow", "flow.pvd"]
