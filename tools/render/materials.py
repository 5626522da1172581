"""The materials' look as mitsuba dictionaries. Colours are linear reflectances."""

from typing import Any

Rgb = tuple[float, float, float]


def matte(colour: Rgb) -> dict[str, Any]:
    """Return a dull surface, seen from both sides."""
    reflectance = {"type": "rgb", "value": list(colour)}
    return {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": reflectance}}


def glossy(
    colour: Rgb, roughness: float, metallic: float = 0.0, coat: float = 0.0
) -> dict[str, Any]:
    """Return a surface that reflects the sky."""
    look = {
        "type": "principled",
        "base_color": {"type": "rgb", "value": list(colour)},
        "roughness": roughness,
        "metallic": metallic,
        "specular": 0.5,
        "clearcoat": coat,
        "clearcoat_gloss": 0.95,
    }
    return {"type": "twosided", "bsdf": look}


def paint(colour: Rgb) -> dict[str, Any]:
    """Return a car's paint: coloured, slightly metallic, under clear lacquer."""
    return glossy(colour, 0.38, metallic=0.15, coat=1.0)


SNOW: dict[str, Any] = matte((0.78, 0.8, 0.84))

COMMON: dict[str, dict[str, Any]] = {
    "glass": glossy((0.012, 0.014, 0.016), 0.06, coat=1.0),
    "trim": matte((0.02, 0.02, 0.021)),
    "tyre": matte((0.016, 0.016, 0.016)),
    "rim": glossy((0.42, 0.43, 0.44), 0.3, metallic=0.7),
    "plate": matte((0.75, 0.75, 0.7)),
    "headlight": glossy((0.7, 0.72, 0.75), 0.12, coat=1.0),
    "taillight": glossy((0.32, 0.01, 0.012), 0.15, coat=1.0),
    "skin": matte((0.42, 0.27, 0.2)),
    "concrete": matte((0.42, 0.41, 0.39)),
    "steel": glossy((0.3, 0.31, 0.32), 0.4, metallic=0.5),
    "yellow": matte((0.7, 0.5, 0.04)),
    "red": matte((0.6, 0.03, 0.03)),
    "white": matte((0.78, 0.78, 0.76)),
    "bark": matte((0.1, 0.07, 0.045)),
    "leaf0": matte((0.06, 0.13, 0.03)),
    "leaf1": matte((0.09, 0.17, 0.035)),
    "leaf2": matte((0.05, 0.1, 0.035)),
    "wall0": matte((0.5, 0.42, 0.33)),
    "wall1": matte((0.38, 0.17, 0.11)),
    "wall2": matte((0.55, 0.55, 0.53)),
    "window": glossy((0.03, 0.035, 0.045), 0.08, coat=0.5),
}
