import { expect, it } from "vitest";

import type { Point } from "../views";
import { neighbour } from "./neighbours";

// 0 1 2
// 3   4
const CENTRES: readonly Point[] = [
  [0, 0],
  [10, 0],
  [20, 0],
  [0, 10],
  [20, 10],
];

it.each([
  [0, "ArrowRight", 1],
  [1, "ArrowLeft", 0],
  [0, "ArrowDown", 3],
  [4, "ArrowUp", 2],
  [3, "ArrowRight", 4],
  [2, "ArrowRight", 2],
  [4, "Home", 0],
  [0, "End", 4],
  [2, "x", 2],
])("from %i by %s to %i", (from, key, to) => {
  expect(neighbour(CENTRES, from, key)).toBe(to);
});
