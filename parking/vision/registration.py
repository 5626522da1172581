"""Measure whether and how far the camera has moved. Pure: grey pictures in, a transform out.

Light changes and cars come and go, but kerbs, lines, poles and walls stay. So pictures are compared
by the directions of their edges, at points where the reference has some. `Reference.agreement` does
that cheaply. `register` is expensive (about 100 ms): features with RANSAC, and then small shifts of
tiles, propose transforms. A transform counts only if the edges agree clearly better with it than
without it.

On 155 pairs of clean pictures from the same camera, up to months apart (six public sets and the
demo), no transform moved any corner by more than 0.5 % of the width. With the same pictures shifted
by 1.2 %, turned by 1.2 degrees or zoomed by 2.5 %, it was at least 1.2 %, with a gain of 0.18 or
more in similar light. Of 60 pairs from different cameras, none agreed better than 0.21 under any
transform.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]
Matrix = NDArray[np.float64]
Box = tuple[int, int, int, int]

MOVED_FROM: Final = 0.008
"""Share of the width by which a corner must have moved. It is half way between the maximum of clean
pictures and the minimum that must be detected (1 %)."""
_BETTER_BY: Final = 0.06
_SURE_FROM: Final = 0.22
_TILES_XY: Final = (6, 4)
_POINTS_A_TILE: Final = 160
_CLEAR: Final = 0.6
_EDGE: Final = 12.0  # sum of a Sobel mask's grey levels; weaker gradients are mostly noise
_REACH_PX: Final = 10
_FEATURES: Final = 1500
_RATIO: Final = 0.85
_LEAST_MATCHES: Final = 8
_FOR_HOMOGRAPHY: Final = 24
_SEED: Final = 7  # RANSAC is random, but the same pictures must always give the same answer


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """How a picture is transformed relative to its reference. `matrix` [3, 3] maps points of the
    reference to the picture, both in pixels of the reference; `agreement` is how well the edges fit
    (-1..1)."""

    matrix: Matrix
    size_wh: tuple[int, int]
    agreement: float

    @property
    def shift(self) -> tuple[float, float]:
        """How far the middle has moved, right and down, as shares of the width."""
        x, y = _middle(self.size_wh)
        there = transform(self.matrix, [(x, y)])[0]
        return float(there[0] - x) / self.size_wh[0], float(there[1] - y) / self.size_wh[0]

    @property
    def turn_deg(self) -> float:
        """The rotation in degrees, clockwise."""
        across = self._across()
        return math.degrees(math.atan2(across[1], across[0]))

    @property
    def zoom(self) -> float:
        """How many times larger things appear."""
        return float(np.hypot(*self._across())) / (self.size_wh[0] / 2)

    @property
    def largest(self) -> float:
        """The largest movement of a corner or of the middle, as a share of the width."""
        width, height = self.size_wh
        points = np.array([(0, 0), (width, 0), (width, height), (0, height), _middle(self.size_wh)])
        return float(np.hypot(*(transform(self.matrix, points) - points).T).max()) / width

    def words(self, width_px: int) -> str:
        """Words for people: "12 px right, 3 px up, turned 1.5 degrees clockwise" in a picture of
        this width."""
        right, down = (round(share * width_px) for share in self.shift)
        turn, zoom = self.turn_deg, (self.zoom - 1) * 100
        candidates = [
            f"{abs(right)} px {'right' if right > 0 else 'left'}" if right else "",
            f"{abs(down)} px {'down' if down > 0 else 'up'}" if down else "",
            f"turned {abs(turn):.1f} degrees {'' if turn > 0 else 'counter-'}clockwise"
            if abs(turn) >= 0.3
            else "",
            f"{abs(zoom):.0f} % {'larger' if zoom > 0 else 'smaller'}" if abs(zoom) >= 1 else "",
        ]
        return ", ".join(part for part in candidates if part) or "a little tilted"

    def normalised(self) -> Matrix:
        """The matrix for points in 0..1 of the picture."""
        scale = np.diag([*map(float, self.size_wh), 1.0])
        return np.asarray(np.linalg.inv(scale) @ self.matrix @ scale, np.float64)

    def _across(self) -> Matrix:
        (x, y), quarter = _middle(self.size_wh), self.size_wh[0] / 4
        left, right = transform(self.matrix, [(x - quarter, y), (x + quarter, y)])
        return np.asarray(right - left, np.float64)


class Reference:
    """A reference picture, prepared once."""

    def __init__(self, grey: Grey) -> None:
        self.grey = grey
        self.size_wh = (int(grey.shape[1]), int(grey.shape[0]))
        self.field = edges(grey)
        self.points = _clear_points(self.field)
        self.directions = self.field[self.points[:, 1], self.points[:, 0]]

    @property
    def usable(self) -> bool:
        """Whether it shows enough for a comparison."""
        return len(self.points) >= _TILES_XY[0] * _TILES_XY[1] * _POINTS_A_TILE // 10

    @cached_property
    def features(self) -> tuple[Sequence[cv2.KeyPoint], Floats]:
        """The reference's features, computed when first needed."""
        return _features(self.grey)

    def agreement(self, field: Floats, matrix: Matrix | None = None) -> float:
        """How well a picture's edges fit at the places to which `matrix` maps the reference's
        points. 1 is a perfect fit, and 0 is chance. Points that left the picture do not count, but
        if they are the majority, the result is 0."""
        there, scores = self.compared(field, matrix)
        return 0.0 if len(there) * 3 < len(self.points) else float(scores.mean())

    def compared(
        self, field: Floats, matrix: Matrix | None = None
    ) -> tuple[NDArray[np.intp], Floats]:
        """Which points are in the picture, and how well each of them fits there, -1..1."""
        points, mine = self.points, self.directions
        if matrix is not None:
            points = transform(matrix, points).round().astype(np.intp)
            mine = _turned(mine, matrix)
        inside = ((points >= 0) & (points < (field.shape[1], field.shape[0]))).all(axis=1)
        theirs = field[points[inside, 1], points[inside, 0]]
        return np.flatnonzero(inside), np.asarray((mine[inside] * theirs).sum(axis=1), np.float32)


def register(reference: Reference, grey: Grey, field: Floats) -> Move | Literal["in-place"] | None:
    """Register the picture. Returns None if this is not possible (different light, nothing in
    common). `grey` has the reference's size, `field` is its `edges`. Takes about 100 ms on one
    core."""
    still = reference.agreement(field)
    best, best_agreement = np.eye(3), still
    for start in (np.eye(3), *_by_features(reference, grey)):
        for matrix in (start, _by_tiles(reference, field, start)):
            agreement = reference.agreement(field, matrix) if matrix is not None else -1.0
            if matrix is not None and agreement > best_agreement:
                best, best_agreement = matrix, agreement
    move = Move(best, reference.size_wh, best_agreement)
    if best_agreement < _SURE_FROM:
        return None
    if move.largest < MOVED_FROM or best_agreement < still + _BETTER_BY:
        return "in-place"
    return move


def edges(grey: Grey) -> Floats:
    """Return [H, W, 2]: each pixel's edge direction as a vector of twice its angle, because dark
    next to light and light next to dark are the same edge. Its length is 1, shrinking to 0 where
    there is no edge."""
    smooth = cv2.GaussianBlur(grey, (5, 5), 1.0)
    right, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    right2, down2 = cv2.multiply(right, right), cv2.multiply(down, down)
    strength = np.asarray(cv2.add(right2, down2), np.float32) + np.float32(_EDGE**2)
    cos = cv2.divide(cv2.subtract(right2, down2), strength)
    sin = cv2.divide(cv2.multiply(right, down, scale=2), strength)
    return np.asarray(cv2.merge([cos, sin]), np.float32)


def transform(matrix: Matrix, points: ArrayLike) -> Matrix:
    """Transform points [N, 2] by a matrix [3, 3]."""
    flat = np.asarray(points, np.float64).reshape(-1, 2)
    there = np.column_stack([flat, np.ones(len(flat))]) @ matrix.T
    return np.asarray(there[:, :2] / there[:, 2:], np.float64)


def _middle(size_wh: tuple[int, int]) -> tuple[float, float]:
    return (size_wh[0] - 1) / 2, (size_wh[1] - 1) / 2


def _turned(directions: Floats, matrix: Matrix, sign: int = 1) -> Floats:
    """Directions of edges after rotation by the matrix."""
    angle = sign * 2 * math.atan2(matrix[1, 0], matrix[0, 0])
    spin = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return np.asarray(directions @ spin.astype(np.float32), np.float32)


def _tiles(size_wh: tuple[int, int]) -> list[Box]:
    (across, down), (width, height) = _TILES_XY, size_wh
    xs = [width * i // across for i in range(across + 1)]
    ys = [height * j // down for j in range(down + 1)]
    return [(x0, y0, x1, y1) for y0, y1 in pairwise(ys) for x0, x1 in pairwise(xs)]


def _clear_points(field: Floats) -> NDArray[np.intp]:
    """Return [N, 2]: x, y of the clearest edges, the same number from each tile, so that no corner
    dominates."""
    clear = np.hypot(field[..., 0], field[..., 1])
    found = []
    for x0, y0, x1, y1 in _tiles((field.shape[1], field.shape[0])):
        part = clear[y0:y1, x0:x1].ravel()
        order = np.argsort(part, kind="stable")[::-1][:_POINTS_A_TILE]
        ys, xs = np.unravel_index(order[part[order] > _CLEAR], (y1 - y0, x1 - x0))
        found.append(np.column_stack([xs + x0, ys + y0]))
    return np.concatenate(found)


def _features(grey: Grey) -> tuple[Sequence[cv2.KeyPoint], Floats]:
    """Points and their descriptors (RootSIFT), detected equally well in shade and in sun."""
    even = cv2.createCLAHE(4.0, (6, 4)).apply(grey)
    sift = cv2.SIFT.create(nfeatures=_FEATURES, contrastThreshold=0.01)
    points, found = sift.detectAndCompute(even, None)
    if not points:
        return (), np.zeros((0, 128), np.float32)
    total = np.maximum(np.abs(found).sum(axis=1, keepdims=True), 1e-6)
    return points, np.sqrt(found / total).astype(np.float32)


def _by_features(reference: Reference, grey: Grey) -> list[Matrix]:
    """A similarity and, with enough matches, a homography (for a camera that was turned)."""
    (mine, described), (theirs, found) = reference.features, _features(grey)
    if min(len(mine), len(theirs)) < _LEAST_MATCHES:
        return []
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(described, found, k=2)
    good = [a for a, b in (p for p in pairs if len(p) == 2) if a.distance < _RATIO * b.distance]
    if len(good) < _LEAST_MATCHES:
        return []
    start = np.array([mine[match.queryIdx].pt for match in good], np.float32)
    end = np.array([theirs[match.trainIdx].pt for match in good], np.float32)
    cv2.setRNGSeed(_SEED)
    similar, kept = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=2.5)
    agreeing = int(kept.sum())
    found_matrices = [_square(similar)] if agreeing >= _LEAST_MATCHES else []
    if agreeing >= _FOR_HOMOGRAPHY:
        found_matrices.append(np.asarray(cv2.findHomography(start, end, cv2.RANSAC, 2.5)[0]))
    return [matrix for matrix in found_matrices if _sensible(matrix)]


def _by_tiles(reference: Reference, field: Floats, start: Matrix) -> Matrix | None:
    """`start`, corrected by the best fit of each tile's edges within a few pixels."""
    size_wh, reach = reference.size_wh, _REACH_PX
    back = cv2.warpPerspective(field, start, size_wh, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    wide = cv2.copyMakeBorder(
        _turned(np.asarray(back, np.float32), start, -1), *(reach,) * 4, cv2.BORDER_CONSTANT
    )
    before, after = [], []
    for x0, y0, x1, y1 in _tiles(size_wh):
        tile = reference.field[y0:y1, x0:x1]
        fit = cv2.matchTemplate(wide[y0 : y1 + 2 * reach, x0 : x1 + 2 * reach], tile, cv2.TM_CCORR)
        _, peak, _, (x, y) = cv2.minMaxLoc(fit)
        clear = peak - float(fit.mean()) > 3.5 * float(fit.std())
        if clear and 0 < x < 2 * reach and 0 < y < 2 * reach:
            middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
            before.append(middle)
            fine = np.array([_top(fit[y, x - 1 : x + 2]), _top(fit[y - 1 : y + 2, x])])
            after.append(middle + np.array([x, y]) + fine - reach)
    if len(before) < 5:
        return None
    cv2.setRNGSeed(_SEED)
    rest, kept = cv2.estimateAffinePartial2D(
        np.array(before, np.float32), np.array(after, np.float32), ransacReprojThreshold=1.2
    )
    if kept.sum() < max(4, 0.4 * len(before)):
        return None
    matrix = start @ _square(rest)
    return matrix if _sensible(matrix) else None


def _square(matrix: ArrayLike | None) -> Matrix:
    """Extend [2, 3] to [3, 3]. Returns an unusable matrix if OpenCV found none."""
    rows = np.full((2, 3), np.nan) if matrix is None else np.asarray(matrix, np.float64)
    return np.vstack([rows, (0.0, 0.0, 1.0)])


def _sensible(matrix: Matrix) -> bool:
    """Whether the matrix neither mirrors nor collapses the picture, and its scale is between half
    and double."""
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        return False
    area = float(np.linalg.det(matrix[:2, :2]))
    return 0.25 < area < 4 and bool((np.abs(matrix[2, :2]) < 1e-3).all())


def _top(three: ArrayLike) -> float:
    """Where a parabola through three samples has its maximum, -0.5..0.5 from the middle sample."""
    left, middle, right = np.asarray(three, np.float64)
    bend = left - 2 * middle + right
    return float(0.5 * (left - right) / bend) if bend < 0 else 0.0
