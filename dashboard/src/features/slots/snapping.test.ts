import { describe, expect, it } from "vitest";

import type { Point } from "../../shared/views";
import { snap, snapStep } from "./snapping";

const SIZE = { width: 1000, height: 500 };
const OTHER: Point[] = [
  [0.5, 0.5],
  [0.6, 0.5],
  [0.6, 0.7],
  [0.5, 0.7],
];

describe("snapping", () => {
  it("prefers a corner to a nearer edge", () => {
    expect(snap([0.505, 0.501], [OTHER], SIZE, 8)).toEqual([0.5, 0.5]);
  });

  it("uses the nearest point of an edge", () => {
    const [x, y] = snap([0.55, 0.51], [OTHER], SIZE, 8);
    expect([x, y]).toEqual([0.55, 0.5]);
  });

  it("does not move a point beyond the reach, in pixels of the picture", () => {
    const place: Point = [0.55, 0.517];
    expect(snap(place, [OTHER], SIZE, 8)).toBe(place);
    expect(snap(place, [OTHER], SIZE, 9)).not.toBe(place);
  });

  it("moves a whole outline so that one of its corners snaps", () => {
    const moved: Point[] = [
      [0.1, 0.5],
      [0.2, 0.5],
      [0.2, 0.7],
      [0.1, 0.7],
    ];
    const [dx, dy] = snapStep(moved, [0.303, 0.002], [OTHER], SIZE, 8);
    expect(dx).toBeCloseTo(0.3, 9);
    expect(dy).toBeCloseTo(0, 9);
    expect(snapStep(moved, [0.2, 0], [OTHER], SIZE, 8)).toEqual([0.2, 0]);
  });
});
