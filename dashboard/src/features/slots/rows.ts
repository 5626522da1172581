/** Divides a row into spaces: of equal width on the ground, smaller with distance in the picture. */
import type { Point } from "../../shared/views";
import { tidy, type Outline } from "./outlines";

/** A 3x3 matrix, row by row without its last 1: maps the unit square to the picture. */
type Projection = readonly [number, number, number, number, number, number, number, number];

/** Divides the area between four corners into `count` outlines of equal width on the ground. The corners
 * go around the row; the first edge is its front, along which the spaces lie side by side. */
export function rowOf(corners: Outline, count: number): Outline[] {
  const projection = projectionOf(corners);
  if (!projection || !Number.isInteger(count) || count < 1) return [];
  return Array.from({ length: count }, (_, i) => {
    const [left, right] = [i / count, (i + 1) / count];
    const square: Outline = [
      [left, 0],
      [right, 0],
      [right, 1],
      [left, 1],
    ];
    return square.map((place) => tidy(project(projection, place)));
  });
}

/** The projection of the unit square onto four corners; null if three of them lie on a line or their area
 * is not convex. */
export function projectionOf(corners: Outline): Projection | null {
  if (corners.length !== 4 || !isConvex(corners)) return null;
  const [[x0, y0], [x1, y1], [x2, y2], [x3, y3]] = corners as [Point, Point, Point, Point];
  const [sx, sy] = [x0 - x1 + x2 - x3, y0 - y1 + y2 - y3];
  const [dx1, dy1, dx2, dy2] = [x1 - x2, y1 - y2, x3 - x2, y3 - y2];
  const divisor = dx1 * dy2 - dx2 * dy1;
  const g = (sx * dy2 - dx2 * sy) / divisor;
  const h = (dx1 * sy - sx * dy1) / divisor;
  return [x1 - x0 + g * x1, x3 - x0 + h * x3, x0, y1 - y0 + g * y1, y3 - y0 + h * y3, y0, g, h];
}

export function project([a, b, c, d, e, f, g, h]: Projection, [u, v]: Point): Point {
  const depth = g * u + h * v + 1;
  return [(a * u + b * v + c) / depth, (d * u + e * v + f) / depth];
}

function isConvex(corners: Outline): boolean {
  const turns = corners.map(([x, y], i) => {
    const [x1, y1] = corners[(i + 1) % 4] ?? [x, y];
    const [x2, y2] = corners[(i + 2) % 4] ?? [x, y];
    return (x1 - x) * (y2 - y1) - (y1 - y) * (x2 - x1);
  });
  const least = 1e-9;
  return turns.every((turn) => turn > least) || turns.every((turn) => turn < -least);
}
