import { describe, expect, it } from "vitest";

import type { Point } from "../../shared/views";
import { sharedPart } from "./overlaps";

function square(x: number, y: number, side = 0.2): Point[] {
  return [
    [x, y],
    [x + side, y],
    [x + side, y + side],
    [x, y + side],
  ];
}

describe("the shared part of two outlines", () => {
  it("is a share of the smaller one", () => {
    expect(sharedPart(square(0.1, 0.1), square(0.2, 0.1))).toBeCloseTo(0.5);
    expect(sharedPart(square(0.1, 0.1, 0.6), square(0.2, 0.2))).toBeCloseTo(1);
    expect(sharedPart(square(0.2, 0.2), square(0.1, 0.1, 0.6))).toBeCloseTo(1);
  });

  it("is nothing for neighbours that share an edge, and for outlines apart", () => {
    expect(sharedPart(square(0.1, 0.1), square(0.3, 0.1))).toBeCloseTo(0);
    expect(sharedPart(square(0.1, 0.1), square(0.7, 0.1))).toBe(0);
  });

  it("does not depend on the order of the corners", () => {
    expect(sharedPart(square(0.1, 0.1).reverse(), square(0.2, 0.1))).toBeCloseTo(0.5);
    expect(sharedPart(square(0.1, 0.1), square(0.2, 0.1).reverse())).toBeCloseTo(0.5);
  });

  it("counts what lies inside an outline that is not convex, not its hollow", () => {
    const hollow: Point[] = [
      [0, 0],
      [0.6, 0],
      [0.6, 0.6],
      [0.4, 0.6],
      [0.4, 0.2],
      [0.2, 0.2],
      [0.2, 0.6],
      [0, 0.6],
    ];
    expect(sharedPart(square(0.2, 0.3), hollow)).toBeCloseTo(0);
    expect(sharedPart(square(0.1, 0.3), hollow)).toBeCloseTo(0.5);
  });
});
