/** How much of two outlines is the same ground. Pure. */
import { boundsOf, overlaps } from "../../shared/geometry";
import type { Point } from "../../shared/views";
import type { Outline } from "./outlines";

/** The shared area of two outlines, as a share of the smaller one. `convex` has only corners that point out. */
export function sharedPart(convex: Outline, other: Outline): number {
  if (!overlaps(boundsOf(convex), boundsOf(other))) return 0;
  const smaller = Math.min(Math.abs(area(convex)), Math.abs(area(other)));
  return smaller === 0 ? 0 : Math.abs(area(clipped(other, convex))) / smaller;
}

/** Twice the area; negative if the corners run the other way round. */
function area(outline: Outline): number {
  return outline.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = outline[(i + 1) % outline.length] ?? [x, y];
    return sum + x * nextY - nextX * y;
  }, 0);
}

/** The part of an outline inside a convex one: cut along each of its edges in turn. */
function clipped(outline: Outline, convex: Outline): Outline {
  const side = Math.sign(area(convex));
  return convex.reduce<Outline>((left, from, i) => {
    const to = convex[(i + 1) % convex.length] ?? from;
    const inside = ([x, y]: Point) =>
      side * ((to[0] - from[0]) * (y - from[1]) - (to[1] - from[1]) * (x - from[0]));
    return cut(left, inside);
  }, outline);
}

/** The part of an outline where `inside` is not negative. */
function cut(outline: Outline, inside: (point: Point) => number): Outline {
  return outline.flatMap((from, i): Outline => {
    const to = outline[(i + 1) % outline.length] ?? from;
    const [here, there] = [inside(from), inside(to)];
    const kept = here >= 0 ? [from] : [];
    if (here >= 0 === there >= 0) return kept;
    const part = here / (here - there);
    return [...kept, [from[0] + part * (to[0] - from[0]), from[1] + part * (to[1] - from[1])]];
  });
}
