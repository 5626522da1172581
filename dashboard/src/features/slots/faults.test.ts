import { describe, expect, it } from "vitest";

import { addOutlines, EMPTY, patchSlots } from "./drawing";
import { faultsAt, faultsOf, GENERAL, merged } from "./faults";

const GOOD = [
  [0, 0],
  [0.1, 0],
  [0.1, 0.1],
] as const;
const CROSSED = [
  [0, 0],
  [1, 1],
  [1, 0],
  [0, 1],
] as const;
const DRAWING = addOutlines(EMPTY, [GOOD, GOOD, CROSSED], "A01");

describe("faults", () => {
  it("are found before anything is sent", () => {
    expect([...faultsOf(DRAWING).keys()]).toEqual([2]);
    const twice = patchSlots(DRAWING, new Set([1]), { slot_id: "A01" });
    expect(faultsOf(twice).get(0)).toEqual(["The name A01 is used twice."]);
    const bad = patchSlots(DRAWING, new Set([1]), { slot_id: "A 1", zone_id: "" });
    expect(faultsOf(bad).get(1)).toHaveLength(2);
  });

  it("of the server are assigned to the slot that they name", () => {
    const faults = [
      "slot A02: its outline crosses itself or encloses nothing",
      "slot A02 has the same outline as slot A01: a vehicle would count for only one of them",
      "slot A01 is named twice",
      "slots[2].polygon: at least 3 items",
      "interval_ms 1 is too short",
    ];
    const found = faultsAt(DRAWING, faults);
    expect([...found].map(([key, words]) => [key, words.length])).toEqual([
      [1, 2],
      [0, 1],
      [2, 1],
      [GENERAL, 1],
    ]);
    expect(merged(faultsOf(DRAWING), found).get(2)).toHaveLength(2);
  });
});
