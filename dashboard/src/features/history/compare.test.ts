import { describe, expect, it } from "vitest";

import type { SlotState } from "../../shared/views";
import { compare, NEAR_MS, pairsTable, slotsTable, type Verdicts } from "./compare";
import { recordingOf, type RecordedChange, type Recording } from "./recording";

const DAY_MS = 86_400_000;

function change(slot_id: string, time_ms: number, to_state: SlotState): RecordedChange {
  return {
    slot_id,
    time_ms,
    to_state,
    from_state: to_state === "free" ? "occupied" : "free",
    version: time_ms,
  };
}

function recording(from_ms: number, ...changes: RecordedChange[]): Recording {
  return { name: "x", from_ms, changes };
}

function counts({ same, moved, onlyA, onlyB }: Verdicts) {
  return { same, moved, onlyA, onlyB };
}

describe("compare", () => {
  it("tells the same changes from moved ones and from those of one side", () => {
    const a = recording(
      0,
      change("A1", 1_000, "occupied"),
      change("A1", 60_000, "free"),
      change("A2", 5_000, "occupied"),
    );
    const b = recording(
      0,
      change("A1", 2_000, "occupied"),
      change("A1", 90_000, "free"),
      change("A3", 7_000, "occupied"),
    );
    const { slots, totals } = compare(a, b, 1_000);
    expect(slots.map((slot) => [slot.slot_id, counts(slot), slot.greatest_ms])).toEqual([
      ["A1", { same: 1, moved: 1, onlyA: 0, onlyB: 0 }, 30_000],
      ["A2", { same: 0, moved: 0, onlyA: 1, onlyB: 0 }, null],
      ["A3", { same: 0, moved: 0, onlyA: 0, onlyB: 1 }, null],
    ]);
    expect(totals).toEqual({ same: 1, moved: 1, onlyA: 1, onlyB: 1 });
  });

  it("pairs each change with the nearest of its kind, not with the first", () => {
    const a = recording(0, change("A1", NEAR_MS, "occupied"));
    const flicker = [change("A1", 1, "occupied"), change("A1", 2, "free"), change("A1", NEAR_MS, "occupied")];
    expect(counts(compare(a, recording(0, ...flicker), 0).totals)).toEqual({
      same: 1,
      moved: 0,
      onlyA: 0,
      onlyB: 2,
    });
  });

  it("takes changes that are too far apart, or to another state, for different ones", () => {
    const a = recording(0, change("A1", 0, "occupied"), change("A2", 0, "occupied"));
    const b = recording(0, change("A1", NEAR_MS + 1, "occupied"), change("A2", 0, "unknown"));
    expect(compare(a, b, 0).totals).toEqual({ same: 0, moved: 0, onlyA: 2, onlyB: 2 });
  });

  it("compares different days by their time of day, and overlapping recordings by their time", () => {
    const monday = recording(0, change("A1", 1_000, "occupied"));
    const tuesday = recording(DAY_MS, change("A1", DAY_MS + 1_000, "occupied"));
    expect(compare(monday, tuesday, 0).totals.same).toBe(1);
    const both = recording(0, change("A2", 1_000, "free"), change("A1", DAY_MS + 1_000, "occupied"));
    expect(compare(both, tuesday, 0).totals).toEqual({ same: 1, moved: 0, onlyA: 1, onlyB: 0 });
  });

  it("writes a table of the spaces and one of all changes", () => {
    const a = recording(0, change("A1", 0, "occupied"));
    const b = recording(0, change("A1", 90_000, "occupied"), change("A1", 95_000, "free"));
    const result = compare(a, b, 0);
    expect(slotsTable(result.slots).rows).toEqual([["A1", 0, 1, 0, 1, 90]]);
    expect(pairsTable(result, "UTC").rows).toEqual([
      ["A1", "free", "occupied", "1970-01-01 00:00:00", "1970-01-01 00:01:30", 90, "at another time"],
      ["A1", "occupied", "free", null, "1970-01-01 00:01:35", null, "only in B"],
    ]);
  });
});

describe("recordingOf", () => {
  const line = (over: object = {}) =>
    JSON.stringify({ ...change("A1", DAY_MS + 5, "occupied"), site_id: "demo", reason: "observed", ...over });

  it("reads a replay's file: duplicates once, in the order of time, this site only", () => {
    const text = [line({ time_ms: DAY_MS + 9, version: 2 }), line(), line(), line({ site_id: "other" }), ""];
    const read = recordingOf("f", text.join("\n"), "demo", "UTC");
    expect(read.changes.map(({ time_ms }) => time_ms)).toEqual([DAY_MS + 5, DAY_MS + 9]);
    expect(read.from_ms).toBe(DAY_MS);
  });

  it("reads the lines of an archive, and leaves out removals", () => {
    const text = `{"type":"x","event":${line()}}\n${line({ version: 7, reason: "removed" })}`;
    expect(recordingOf("f", text, "demo", "UTC").changes).toHaveLength(1);
  });

  it.each([
    ["nothing", "", "f has no slot changes"],
    ["another site", line({ site_id: "other" }), "only has changes of other lots"],
    ["no JSON", `${line()}\nx`, "f, line 2"],
    ["another event", `{"site_id":"demo"}`, "f, line 1"],
    ["null", "null", "f, line 1"],
  ])("refuses a file with %s", (_, text, words) => {
    expect(() => recordingOf("f", text, "demo", "UTC")).toThrow(words);
  });
});
