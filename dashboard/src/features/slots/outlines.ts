/** Outlines as lists of corners, in shares of the picture (0..1) unless a size is given. Pure. */
import { boundsOf } from "../../shared/geometry";
import type { Point } from "../../shared/views";

export const MIN_CORNERS = 3;
export const MAX_CORNERS = 40;

/** The size of the picture in its own pixels. */
export interface Size {
  width: number;
  height: number;
}

export type Outline = readonly Point[];

/** Limits a point to the picture, and rounds it to about a hundredth of a pixel at 1280x720. */
export function tidy([x, y]: Point): Point {
  return [tidied(x), tidied(y)];
}

/** Moves all corners by the same step, shortened so that none leaves the picture. */
export function moveOutline(outline: Outline, step: Point, bounds: Outline = outline): Outline {
  const [dx, dy] = fittingStep(bounds, step);
  return outline.map(([x, y]) => tidy([x + dx, y + dy]));
}

/** Shortens a step so that no corner leaves the picture. */
export function fittingStep(corners: Outline, [dx, dy]: Point): Point {
  const { left, top, right, bottom } = boundsOf(corners);
  return [between(dx, -left, 1 - right), between(dy, -top, 1 - bottom)];
}

export function moveCorner(outline: Outline, index: number, to: Point): Outline {
  return outline.map((corner, at) => (at === index ? tidy(to) : corner));
}

/** Adds a corner to the edge that begins at `edge`. Returns the same outline if it is full. */
export function insertCorner(outline: Outline, edge: number, at: Point): Outline {
  return outline.length >= MAX_CORNERS ? outline : outline.toSpliced(edge + 1, 0, tidy(at));
}

/** Removes a corner. Returns the same outline if it has only three. */
export function removeCorner(outline: Outline, index: number): Outline {
  return outline.length <= MIN_CORNERS ? outline : outline.toSpliced(index, 1);
}

export function middleOfEdge(outline: Outline, edge: number): Point {
  const [from, to] = edgeOf(outline, edge);
  return [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
}

/** The edge nearest to a point, by distance in pixels. */
export function nearestEdge(outline: Outline, place: Point, size: Size): number {
  const distances = outline.map((_, edge) => {
    const [from, to] = edgeOf(outline, edge);
    return distancePx(place, nearestOn(from, to, place, size), size);
  });
  return distances.indexOf(Math.min(...distances));
}

/** The point between `from` and `to` that is nearest to `place`, by distance in pixels. */
export function nearestOn(from: Point, to: Point, place: Point, { width, height }: Size): Point {
  const [ex, ey] = [(to[0] - from[0]) * width, (to[1] - from[1]) * height];
  const length = ex * ex + ey * ey;
  if (length === 0) return from;
  const along = ((place[0] - from[0]) * width * ex + (place[1] - from[1]) * height * ey) / length;
  const share = between(along, 0, 1);
  return [from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1])];
}

export function distancePx([ax, ay]: Point, [bx, by]: Point, { width, height }: Size): number {
  return Math.hypot((ax - bx) * width, (ay - by) * height);
}

export function edgeOf(outline: Outline, edge: number): readonly [Point, Point] {
  const from = outline[edge] ?? [0, 0];
  return [from, outline[(edge + 1) % outline.length] ?? from];
}

/** Whether two edges that are not neighbours meet: such an outline does not enclose a single area. */
export function crossesItself(outline: Outline): boolean {
  const { length } = outline;
  for (let one = 0; one < length; one++) {
    for (let other = one + 2; other < length; other++) {
      const neighbours = one === 0 && other === length - 1;
      if (!neighbours && cross(edgeOf(outline, one), edgeOf(outline, other))) return true;
    }
  }
  return false;
}

function cross([a, b]: readonly [Point, Point], [c, d]: readonly [Point, Point]): boolean {
  return side(a, b, c) * side(a, b, d) <= 0 && side(c, d, a) * side(c, d, b) <= 0;
}

function side([ax, ay]: Point, [bx, by]: Point, [px, py]: Point): number {
  return Math.sign((bx - ax) * (py - ay) - (by - ay) * (px - ax));
}

export function between(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

function tidied(share: number): number {
  return Math.round(between(share, 0, 1) * 100_000) / 100_000;
}
