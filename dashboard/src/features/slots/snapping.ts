/** Snaps corners to other spaces nearby: to their corners first, then to their edges. Pure. */
import type { Point } from "../../shared/views";
import { distancePx, edgeOf, nearestOn, type Outline, type Size } from "./outlines";

/** Snaps `place` to what lies within `reachPx` pixels of the picture; returns `place` itself if nothing does. */
export function snap(place: Point, others: readonly Outline[], size: Size, reachPx: number): Point {
  return (
    nearest(place, others.flat(), size, reachPx) ??
    nearest(
      place,
      others.flatMap((outline) => onEdges(outline, place, size)),
      size,
      reachPx,
    ) ??
    place
  );
}

/** Adjusts a step so that the corner nearest to another outline snaps to it. */
export function snapStep(
  moved: Outline,
  step: Point,
  others: readonly Outline[],
  size: Size,
  reachPx: number,
): Point {
  let best = step;
  let least = Infinity;
  for (const [x, y] of moved) {
    const there: Point = [x + step[0], y + step[1]];
    const met = snap(there, others, size, reachPx);
    const distance = met === there ? Infinity : distancePx(met, there, size);
    if (distance < least) [best, least] = [[met[0] - x, met[1] - y], distance];
  }
  return best;
}

function onEdges(outline: Outline, place: Point, size: Size): Point[] {
  return outline.map((_, edge) => {
    const [from, to] = edgeOf(outline, edge);
    return nearestOn(from, to, place, size);
  });
}

function nearest(place: Point, among: readonly Point[], size: Size, reachPx: number): Point | null {
  let found: Point | null = null;
  let least = reachPx;
  for (const other of among) {
    const distance = distancePx(place, other, size);
    if (distance <= least) [found, least] = [other, distance];
  }
  return found;
}
