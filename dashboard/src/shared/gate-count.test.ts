import { expect, it } from "vitest";

import { gateCountWords } from "./gate-count";

const COUNTS = { free: 4, occupied: 16, unknown: 0, closed: 0, total: 20 };

it("explains why more spaces are occupied than vehicles came in", () => {
  expect(gateCountWords(11, COUNTS)).toBe(
    "The cameras see 16 occupied spaces, 5 more than the gates count. Those vehicles entered before the gates " +
      "started counting, or passed a gate undetected. A recount corrects the number.",
  );
});

it("explains why more vehicles are inside than spaces are occupied", () => {
  expect(gateCountWords(17, COUNTS)).toBe(
    "The cameras see 16 occupied spaces, 1 fewer than the gates count. Those vehicles are still driving, are " +
      "parked outside the drawn spaces, or left undetected.",
  );
  expect(gateCountWords(17, { ...COUNTS, free: 3, unknown: 1 })).toContain("are in 1 unknown space, or left");
});

it("says nothing if they agree, or if no space is drawn", () => {
  expect(gateCountWords(16, COUNTS)).toBe("");
  expect(gateCountWords(3, { free: 0, occupied: 0, unknown: 0, closed: 0, total: 0 })).toBe("");
});
