import { describe, expect, it } from "vitest";

import type { Point } from "../../shared/views";
import { project, projectionOf, rowOf } from "./rows";

const FLAT: Point[] = [
  [0.1, 0.2],
  [0.7, 0.2],
  [0.7, 0.4],
  [0.1, 0.4],
];
/** A road that leads away from the camera: its far end is a third as wide as its near end. */
const ROAD: Point[] = [
  [0.2, 0.9],
  [0.4, 0.3],
  [0.6, 0.3],
  [0.8, 0.9],
];

describe("a row", () => {
  it("is divided into equal parts if the camera looks straight at it", () => {
    const row = rowOf(FLAT, 3);
    expect(row[0]).toEqual([
      [0.1, 0.2],
      [0.3, 0.2],
      [0.3, 0.4],
      [0.1, 0.4],
    ]);
    expect(row[2]?.[1]).toEqual([0.7, 0.2]);
  });

  it("gets shorter with distance, as perspective requires", () => {
    const heights = rowOf(ROAD, 3).map(([near, far]) => (near?.[1] ?? 0) - (far?.[1] ?? 0));
    const [first = 0, second = 0, third = 0] = heights;
    expect(first).toBeGreaterThan(second);
    expect(second).toBeGreaterThan(third);
    // A depth that grows evenly from 1 to 3: 1/depth falls from 1 to 1/3 through 3/5 and 3/7.
    const share = (depth: number) => ((1 - 1 / depth) / (1 - 1 / 3)) * 0.6;
    expect(first).toBeCloseTo(share(5 / 3), 4);
    expect(first + second).toBeCloseTo(share(7 / 3), 4);
    expect(first + second + third).toBeCloseTo(0.6, 4);
  });

  it("has its middle at the intersection of the diagonals", () => {
    const projection = projectionOf(ROAD);
    expect(projection).not.toBeNull();
    const [x, y] = project(projection ?? [0, 0, 0, 0, 0, 0, 0, 0], [0.5, 0.5]);
    expect(x).toBeCloseTo(0.5, 9);
    expect(y).toBeCloseTo(0.45, 9);
  });

  it("shares corners between neighbours, without gaps", () => {
    const [one, two] = rowOf(ROAD, 15);
    expect(two?.[0]).toEqual(one?.[1]);
    expect(two?.[3]).toEqual(one?.[2]);
  });

  it("is empty for corners that enclose no area", () => {
    expect(
      rowOf(
        [
          [0, 0],
          [0.5, 0.5],
          [1, 1],
          [0, 1],
        ],
        2,
      ),
    ).toEqual([]);
    expect(
      rowOf(
        [
          [0, 0],
          [1, 1],
          [1, 0],
          [0, 1],
        ],
        2,
      ),
    ).toEqual([]);
    expect(rowOf(FLAT.slice(0, 3), 2)).toEqual([]);
    expect(rowOf(FLAT, 0)).toEqual([]);
  });
});
