import { expect, it } from "vitest";

import { gateCountWords } from "./gate-count";

const COUNTS = { free: 4, occupied: 16, unknown: 0, closed: 0, total: 20 };

it("explains in one sentence why more spaces are occupied than vehicles came in", () => {
  expect(gateCountWords(11, COUNTS)).toBe(
    "The cameras see 16 spaces occupied, 5 more: those vehicles came in before the gates counted, or passed " +
      "a gate undetected. A recount corrects the number.",
  );
});

it("explains why more vehicles are inside than spaces are occupied", () => {
  expect(gateCountWords(17, COUNTS)).toBe(
    "The cameras see 16 spaces occupied, 1 fewer: those vehicles still drive, stand outside the drawn " +
      "spaces or left unseen.",
  );
  expect(gateCountWords(17, { ...COUNTS, free: 3, unknown: 1 })).toContain(
    "in one of 1 unknown space or left",
  );
});

it("says nothing if they agree, or if no space is drawn", () => {
  expect(gateCountWords(16, COUNTS)).toBe("");
  expect(gateCountWords(3, { free: 0, occupied: 0, unknown: 0, closed: 0, total: 0 })).toBe("");
});
