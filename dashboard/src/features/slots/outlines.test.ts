import { describe, expect, it } from "vitest";

import type { Point } from "../../shared/views";
import {
  crossesItself,
  insertCorner,
  MAX_CORNERS,
  moveOutline,
  nearestEdge,
  nearestOn,
  removeCorner,
  tidy,
} from "./outlines";

const SQUARE: Point[] = [
  [0.2, 0.2],
  [0.4, 0.2],
  [0.4, 0.4],
  [0.2, 0.4],
];

describe("outlines", () => {
  it("keep their shape and stay in the picture when they are moved", () => {
    const moved = moveOutline(SQUARE, [0.9, -0.1]);
    expect(moved).toEqual([
      [0.8, 0.1],
      [1, 0.1],
      [1, 0.3],
      [0.8, 0.3],
    ]);
  });

  it("get a corner between the ends of an edge, including the last edge", () => {
    expect(insertCorner(SQUARE, 0, [0.3, 0.19])[1]).toEqual([0.3, 0.19]);
    expect(insertCorner(SQUARE, 3, [0.19, 0.3])[4]).toEqual([0.19, 0.3]);
  });

  it("have 3 to 40 corners", () => {
    const triangle = removeCorner(SQUARE, 0);
    expect(triangle).toHaveLength(3);
    expect(removeCorner(triangle, 0)).toBe(triangle);
    const many = Array.from({ length: MAX_CORNERS }, (_, i): Point => [i / 100, 0.5]);
    expect(insertCorner(many, 0, [0, 0])).toBe(many);
  });

  it("measure in pixels: a wide picture stretches distances along x", () => {
    const wide = { width: 1000, height: 100 };
    const place: Point = [0.21, 0.25];
    expect(nearestEdge(SQUARE, place, wide)).toBe(0);
    expect(nearestEdge(SQUARE, place, { width: 100, height: 1000 })).toBe(3);
    expect(nearestOn([0, 0], [1, 1], [0, 1], { width: 100, height: 100 })).toEqual([0.5, 0.5]);
    expect(nearestOn([0, 0], [0.1, 0], [1, 1], wide)).toEqual([0.1, 0]);
  });

  it("are recognised if they cross themselves", () => {
    expect(crossesItself(SQUARE)).toBe(false);
    expect(
      crossesItself([
        [0, 0],
        [1, 1],
        [1, 0],
        [0, 1],
      ]),
    ).toBe(true);
    expect(
      crossesItself([
        [0, 0],
        [1, 0],
        [0, 1],
      ]),
    ).toBe(false);
  });

  it("are rounded and limited to the picture", () => {
    expect(tidy([1.2, 0.1234567])).toEqual([1, 0.12346]);
  });
});
