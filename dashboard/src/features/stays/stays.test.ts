import { describe, expect, it } from "vitest";

import { NOW_MS, stay } from "../../testing";
import {
  driftWords,
  dwellMs,
  endedStays,
  endWords,
  gateWords,
  insideFirst,
  recountWords,
  staysCsv,
} from "./stays";

describe("stays", () => {
  it("begin with overstays, then with the longest", () => {
    const stays = [
      stay("new", { entry_at_ms: NOW_MS - 1_000 }),
      stay("old", { entry_at_ms: NOW_MS - 9_000 }),
      stay("over", { entry_at_ms: NOW_MS - 5_000, kind: "overstay" }),
      stay("far over", { entry_at_ms: NOW_MS - 7_000, kind: "overstay" }),
    ];
    expect(insideFirst(stays).map((each) => each.session_id)).toEqual(["far over", "over", "old", "new"]);
  });

  it("last until now, until their exit, or until they were given up", () => {
    const entry_at_ms = NOW_MS - 60_000;
    expect(dwellMs(stay("a", { entry_at_ms }), NOW_MS)).toBe(60_000);
    expect(dwellMs(stay("a", { entry_at_ms, kind: "closed", exit_at_ms: NOW_MS - 20_000 }), NOW_MS)).toBe(
      40_000,
    );
    expect(dwellMs(stay("a", { entry_at_ms, kind: "corrected", time_ms: NOW_MS - 50_000 }), NOW_MS)).toBe(
      10_000,
    );
    expect(dwellMs(stay("a", { entry_at_ms: null }), NOW_MS)).toBeNull();
  });

  it("say where they began and why they ended", () => {
    expect(gateWords(stay("a", { entry_gate_id: "east" }))).toBe("east");
    expect(gateWords(stay("a", { entry_gate_id: null, reason: "recount" }))).toBe("added by a recount");
    const ended = (kind: "closed" | "corrected", reason: string | null) =>
      endWords(stay("a", { kind, reason }));
    expect(ended("closed", "plate")).toBe("Exit with the same plate");
    expect(ended("closed", null)).toBe("Exit");
    expect(ended("corrected", "empty-time")).toBe("Nightly empty time");
    expect(ended("corrected", "maximum-stay")).toBe("Maximum stay reached");
    expect(ended("corrected", "recount")).toBe("Recount");
    expect(ended("corrected", "some-new-reason")).toBe("some new reason");
  });

  it("do not include exits without an entry, which are reports of drift", () => {
    const stray = stay("x", { kind: "corrected", reason: "exit-without-entry" });
    expect(endedStays([stray, stay("a", { kind: "closed" })]).map((each) => each.session_id)).toEqual(["a"]);
    expect(driftWords(stray)).toBe("A vehicle left that was not counted on entry.");
    expect(driftWords(stay("a", { reason: "gate-drift", number_in: 13, capacity: 12 }))).toBe(
      "A vehicle entered although the lot was full (13 inside, capacity 12).",
    );
  });

  it("say what a recount does before it is sent", () => {
    expect(recountWords(11, 9)).toBe("The 2 oldest stays will end without an exit. This cannot be undone.");
    expect(recountWords(11, 12)).toBe("1 stay will be added with no entry gate recorded.");
    expect([recountWords(11, 11), recountWords(11, Number.NaN)]).toEqual(["", ""]);
  });

  it("become a CSV file without plates", () => {
    const text = staysCsv([stay("demo/1", { plate_hash: "secret" })], NOW_MS);
    expect(text).toContain("demo/1,2023-11-14 22:12:20.000,main,,,60,opened,");
    expect(text).not.toContain("secret");
  });
});
