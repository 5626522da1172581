"""Build the mitsuba scene of one moment, with the vehicle or person that each pixel belongs to."""

import tempfile
from pathlib import Path
from typing import Any

import mitsuba as mi
import numpy as np
from numpy.typing import NDArray

from tools.render import cars, props
from tools.render.ground import paint_ground
from tools.render.materials import COMMON, SNOW, matte, paint
from tools.render.mesh import Mesh
from tools.render.site import Camera, Site
from tools.render.story import DRY, Moment, Surface
from tools.render.weather import snow_ground, wet_ground

OWNER_SIGN = "-of-"
"""Shape ids are `<part>-of-<owner>`: the owner is the vehicle or person it belongs to."""


class Stage:
    """A site made ready for rendering. What never moves is written once."""

    def __init__(self, site: Site, surface: Surface = DRY) -> None:
        """Prepare the ground and the surroundings. mitsuba's variant must be set already."""
        self.site = site
        self._folder = tempfile.TemporaryDirectory(prefix="parking-render-")
        self._files: dict[str, list[tuple[str, str]]] = {}
        self._ground = _ground_look(site, surface)
        self._write("site", props.surroundings(site))

    def _write(self, name: str, meshes: list[Mesh]) -> list[tuple[str, str]]:
        """Write the meshes as PLY once, joined by material; return (material, file)."""
        if name not in self._files:
            groups: dict[tuple[str, bool], list[Mesh]] = {}
            for mesh in meshes:
                groups.setdefault((mesh.material, mesh.smooth), []).append(mesh)
            written = []
            for (material, smooth), group in groups.items():
                path = Path(self._folder.name) / f"{name}-{material}-{smooth:d}.ply"
                write_ply(path, group, smooth)
                written.append((material, str(path)))
            self._files[name] = written
        return self._files[name]

    def scene(self, moment: Moment, emitters: dict[str, Any]) -> mi.Scene:
        """Build the scene of one moment under the given lights."""
        content: dict[str, Any] = {"type": "scene"}
        content |= {f"m-{name}": look | {"id": f"m-{name}"} for name, look in COMMON.items()}
        content |= self._ground_shape() | emitters
        self._place(content, "site", props.surroundings, ("site", (0.0, 0.0), 0.0, {}))
        for car in moment.cars:
            own = {"paint": paint(car.colour)}
            if car.snowed:
                own = {"paint": SNOW, "glass": SNOW}
            if car.lights:
                own["headlight"] = {"type": "lit"}
            place = (car.vehicle, car.position, car.heading_rad, own)
            self._place(content, car.kind, lambda _, kind=car.kind: list(cars.build(kind)), place)
        for i, walker in enumerate(moment.people):
            own = {"top": matte(walker.clothes[0]), "legs": matte(walker.clothes[1])}
            place = (f"person-{i}", walker.position, walker.heading_rad, own)
            name = f"person{walker.stride:.2f}"
            self._place(content, name, lambda _, s=walker.stride: props.person(s), place)
        if self.site.gate_x is not None:
            lanes = _open_lanes(moment)
            x = self.site.gate_x
            name = "gate" + "".join(sorted(lanes))
            self._place(
                content, name, lambda _: props.gate(x, lanes), ("gate", (0.0, 0.0), 0.0, {})
            )
        # The optimiser would merge meshes of one material, and a pixel's owner would be lost.
        return mi.load_dict(content, optimize=False)

    def _place(self, content: dict[str, Any], name: str, make: Any, place: tuple[Any, ...]) -> None:
        """Add an object from a mesh file to the scene at its place, with its own materials."""
        owner, (x, y), heading, own = place
        files = self._files.get(name) or self._write(name, make(self.site))
        to_world = (
            mi.ScalarTransform4f().translate([x, y, 0]).rotate([0, 0, 1], np.degrees(heading))
        )
        for index, (material, file) in enumerate(files):
            shape: dict[str, Any] = {"type": "ply", "filename": file, "to_world": to_world}
            look = own.get(material, {"type": "ref", "id": f"m-{material}"})
            if look["type"] == "lit":
                shape["emitter"] = {
                    "type": "area",
                    "radiance": {"type": "rgb", "value": [6.0, 5.6, 4.6]},
                }
                look = {"type": "ref", "id": f"m-{material}"}
            content[f"{index}{material}{OWNER_SIGN}{owner}"] = shape | {"bsdf": look}

    def _ground_shape(self) -> dict[str, Any]:
        """Return the ground: a painted rectangle over an endless plain."""
        x0, y0, x1, y1 = self.site.extent
        to_world = mi.ScalarTransform4f().translate([(x0 + x1) / 2, (y0 + y1) / 2, 0])
        scaled = to_world.scale([(x1 - x0) / 2, (y1 - y0) / 2, 1])
        plain = mi.ScalarTransform4f().translate([0, 0, -0.05]).scale([4000, 4000, 1])
        return {
            "ground": {"type": "rectangle", "to_world": scaled, "bsdf": self._ground},
            "plain": {"type": "rectangle", "to_world": plain, "bsdf": matte((0.1, 0.12, 0.06))},
        }


def _ground_look(site: Site, surface: Surface) -> dict[str, Any]:
    """Return the painted ground's material, dry, wet or under snow."""
    painted = paint_ground(site)
    rng = np.random.default_rng([site.seed, 3])
    if surface.kind == "snow":
        painted = snow_ground(painted, site, surface.bare, rng)
    if surface.kind != "wet":
        return {"type": "diffuse", "reflectance": _texture(painted)}
    colour, roughness = wet_ground(painted, rng)
    return {
        "type": "principled",
        "base_color": _texture(colour),
        "roughness": _texture(roughness[..., None]),
        "specular": 0.5,
    }


def _texture(values: NDArray[np.float32]) -> dict[str, Any]:
    return {"type": "bitmap", "bitmap": mi.Bitmap(values), "raw": True}


def write_ply(path: Path, meshes: list[Mesh], smooth: bool) -> None:
    """Write meshes as one binary PLY. Flat faces get their own corners."""
    vertices, faces, first = [], [], 0
    for mesh in meshes:
        points, triangles = mesh.vertices, mesh.faces
        if not smooth:
            points, triangles = (
                points[triangles].reshape(-1, 3),
                np.arange(triangles.size).reshape(-1, 3),
            )
        vertices.append(points)
        faces.append(triangles + first)
        first += len(points)
    position = np.concatenate(vertices)
    index = np.concatenate(faces)
    normal = _normals(position, index)
    table = np.hstack([position, normal]).astype("<f4")
    rows = np.empty(len(index), dtype=[("n", "u1"), ("v", "<i4", 3)])
    rows["n"], rows["v"] = 3, index
    fields = "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz"))
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(table)}\n{fields}"
    header += f"element face {len(rows)}\nproperty list uchar int vertex_indices\nend_header\n"
    path.write_bytes(header.encode() + table.tobytes() + rows.tobytes())


def _normals(position: NDArray[np.float64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return vertex normals, weighted by the area of the adjacent faces."""
    a, b, c = (position[index[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    normal = np.zeros_like(position)
    for corner in range(3):
        np.add.at(normal, index[:, corner], face)
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return normal / np.where(length == 0, 1, length)


def _open_lanes(moment: Moment) -> frozenset[str]:
    """Tell which barriers are up: those with a car close to them."""
    near = [car for car in moment.cars if car.slot_id is None and car.position[0] < 0]
    return frozenset("exit" if np.cos(car.heading_rad) < 0 else "entry" for car in near)


def owner_of(shape_id: str) -> str:
    """Return the vehicle or person that a shape belongs to, or ""."""
    owner = shape_id.partition(OWNER_SIGN)[2]
    return "" if owner in ("site", "gate") else owner


def sensor(camera: Camera, size_wh: tuple[int, int], rfilter: str = "gaussian") -> mi.Sensor:
    """Return mitsuba's camera."""
    look = mi.ScalarTransform4f().look_at(
        origin=list(camera.position), target=list(camera.target), up=[0, 0, 1]
    )
    film = {
        "type": "hdrfilm", "width": size_wh[0], "height": size_wh[1], "pixel_format": "rgb",
        "component_format": "float32", "rfilter": {"type": rfilter},
    }  # fmt: skip
    return mi.load_dict({
        "type": "perspective", "fov": camera.fov_deg, "fov_axis": "x", "to_world": look,
        "film": film,
    })  # fmt: skip
