import { describe, expect, it } from "vitest";

import type { SlotChanged } from "../../shared/events";
import { announcement } from "./announcement";

const CHANGE: SlotChanged = {
  id: "c1",
  site_id: "demo",
  time_ms: 1,
  slot_id: "A1",
  zone_id: "A",
  from_state: "free",
  to_state: "unknown",
  version: 2,
  confidence: 0,
  reason: "camera-silent",
  cause: { kind: "tick", id: "t" },
};

describe("a screen reader announces", () => {
  it.each([
    [{ free: 1, occupied: 0, unknown: 1, closed: 0, total: 2 }, "1 of 2 free."],
    [{ free: 0, occupied: 2, unknown: 1, closed: 0, total: 3 }, "0 of 3 free."],
    [{ free: 0, occupied: 0, unknown: 2, closed: 1, total: 3 }, "No live data."],
    [{ free: 0, occupied: 0, unknown: 0, closed: 3, total: 3 }, "All are closed."],
  ])("of %o: %s", (counts, words) => {
    expect(announcement([CHANGE], counts)).toBe(`A1 is unknown. ${words}`);
  });

  it("nothing if nothing changed", () => {
    expect(announcement([], { free: 0, occupied: 0, unknown: 0, closed: 0, total: 0 })).toBe("");
  });
});
