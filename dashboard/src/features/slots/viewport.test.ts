import { describe, expect, it } from "vitest";

import { ALL, pan, viewBox, zoom } from "./viewport";

const SIZE = { width: 1000, height: 500 };

describe("the visible part of the picture", () => {
  it("keeps the point under the pointer when it zooms", () => {
    const near = zoom(ALL, SIZE, 2, [0.8, 0.2]);
    expect((0.8 * 1000 - near.x) / (1000 / near.scale)).toBeCloseTo(0.8, 9);
    expect((0.2 * 500 - near.y) / (500 / near.scale)).toBeCloseTo(0.2, 9);
    expect(viewBox(zoom(ALL, SIZE, 2), SIZE)).toBe("250 125 500 250");
  });

  it("never leaves the picture", () => {
    expect(zoom(ALL, SIZE, 0.5)).toEqual(ALL);
    expect(pan(ALL, SIZE, [1, 1])).toEqual(ALL);
    expect(pan(zoom(ALL, SIZE, 2), SIZE, [5, 5])).toEqual({ x: 500, y: 250, scale: 2 });
    expect(zoom(ALL, SIZE, 1000).scale).toBe(16);
  });
});
