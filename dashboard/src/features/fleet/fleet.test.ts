import { describe, expect, it } from "vitest";

import type { Live } from "../../shared/live";
import type { CameraView, DeviceView } from "../../shared/views";
import { camera, device, NOW_MS } from "../../testing";
import { fleetCsv } from "./fleet-csv";
import { fleetRows, matches, problemGroups, sortRows, stateWords, summaryWords } from "./fleet";
import { PROBLEMS, problemWords } from "./problems";

type Seen = Live["sightings"][string];

function seen(change: Partial<Seen> = {}): Seen {
  return {
    last_frame_at_ms: NOW_MS - 1_000,
    analysed_every_ms: 5_000,
    load_level: 0,
    evidence_at_ms: {},
    version: 1,
    ...change,
  };
}

/** One camera, its sighting and its device's report. */
function one(view: Partial<CameraView>, sighting: Partial<Seen> = {}, report?: Partial<DeviceView>) {
  const devices = report ? [device("demo/north", report)] : null;
  const [row] = fleetRows([camera(view)], { "demo/north": seen(sighting) }, devices, NOW_MS);
  if (!row) throw new Error("no row");
  return row;
}

const kinds = (...given: Parameters<typeof one>) => one(...given).problems.map((problem) => problem.kind);

describe("what is wrong", () => {
  it("is nothing for a camera that works", () => {
    expect(kinds({})).toEqual([]);
    expect(kinds({}, {}, { rssi_dbm: -60, frames_dropped: 2, uptime_s: 86_400 })).toEqual([]);
    expect(stateWords(one({}))).toBe("Online");
  });

  it.each([
    ["offline", { status: "offline", reason: "timeout" }, {}, {}],
    ["unhealthy", { status: "degraded", reason: "covered", health: "covered" }, {}, {}],
    ["late", { status: "degraded", reason: "late" }, {}, {}],
    ["blurred", { status: "degraded", reason: "partly-blurred" }, {}, {}],
    ["no-layout", { status: "no-layout", reason: "no-layout" }, {}, {}],
    ["stale", {}, { last_frame_at_ms: NOW_MS - 16_000 }, {}],
    ["busy", {}, { analysed_every_ms: 8_000, load_level: 2 }, {}],
    ["slow", {}, { analysed_every_ms: 8_000 }, {}],
    ["lost", {}, {}, { gate_events_lost: 3 }],
    ["waiting", {}, {}, { gate_events_waiting: 2 }],
    ["drops", {}, {}, { frames_dropped: 100, uptime_s: 5_000 }],
    ["signal", {}, {}, { rssi_dbm: -82 }],
    ["rate", {}, {}, { rate_limited_at_ms: NOW_MS - 60_000 }],
    ["replayed", {}, {}, { replayed_at_ms: NOW_MS - 60_000 }],
  ] as const)("is found: %s", (kind, view, sighting, report) => {
    expect(kinds(view, sighting, report)).toEqual([kind]);
  });

  it("is not what lies just below the limits", () => {
    expect(kinds({}, { last_frame_at_ms: NOW_MS - 15_000, analysed_every_ms: 7_400 })).toEqual([]);
    const report = { rssi_dbm: -75, frames_dropped: 50, uptime_s: 5_000, rate_limited_at_ms: 1 };
    expect(kinds({}, {}, report)).toEqual([]);
  });

  it("comes with its reason and since when", () => {
    const row = one({ status: "offline", reason: "timeout", since_ms: NOW_MS - 60_000 });
    expect(row.problems).toEqual([
      { kind: "offline", words: "The camera does not respond in time", since_ms: NOW_MS - 60_000 },
    ]);
    const older = one({ status: "offline", reason: "silent" }, { last_frame_at_ms: NOW_MS - 90_000 });
    expect(older.problems[0]?.since_ms).toBe(NOW_MS - 90_000);
  });

  it("is known of every kind in words", () => {
    for (const { kind, page, section } of PROBLEMS) {
      const words = [problemWords("what", kind), problemWords("todo", kind), page, section];
      expect(words.map((text) => text.length > 0)).not.toContain(false);
    }
    expect(new Set(PROBLEMS.map((entry) => entry.kind)).size).toBe(PROBLEMS.length);
  });
});

describe("access", () => {
  const none = { may_connect: false, may_post: false, state: null };

  it("needs neither password nor key where the server polls, even while the camera is offline", () => {
    const polled = { ...none, polled: true };
    expect(kinds({}, {}, polled)).toEqual([]);
    expect(stateWords(one({}, {}, polled))).toBe("Online, polled");
    expect(kinds({ status: "offline", reason: "timeout" }, {}, polled)).toEqual(["offline"]);
  });

  it("is missing for a device that was revoked", () => {
    expect(kinds({ status: "offline", reason: "offline" }, {}, none)).toEqual(["offline", "no-access"]);
    const [gate] = fleetRows([], {}, [device("demo/gate", none)], NOW_MS);
    expect(gate?.problems.map((problem) => problem.kind)).toEqual(["no-access"]);
  });

  it("is unused until the device reports", () => {
    const fresh = device("demo/gate", { state: null, last_seen_ms: null });
    expect(fleetRows([], {}, [fresh], NOW_MS)[0]?.problems[0]?.kind).toBe("unused");
  });
});

const LOT = fleetRows(
  [
    camera({ camera_id: "demo/cam-10", name: "cam-10" }),
    camera({ camera_id: "demo/cam-2", name: "cam-2" }),
    camera({ camera_id: "demo/cam-1", name: "cam-1", status: "degraded", reason: "dark", health: "dark" }),
    camera({ camera_id: "demo/cam-3", name: "cam-3", status: "offline", reason: "silent" }),
  ],
  {},
  [
    device("demo/gate", { firmware: "1.10.0" }),
    device("demo/gate-2", { firmware: "1.9.0", state: "offline", state_since_ms: NOW_MS - 1_000 }),
    device("demo/cam-2", { firmware: "1.9.0", rssi_dbm: -80 }),
  ],
  NOW_MS,
);
const names = (rows: readonly { name: string }[]) => rows.map((row) => row.name);

describe("the rows", () => {
  it("begin with what needs attention most, then follow in natural order", () => {
    expect(names(LOT)).toEqual(["cam-3", "gate-2", "cam-1", "cam-2", "cam-10", "gate"]);
  });

  it("are sorted by a column, both ways", () => {
    const byName = { column: "name", descending: false } as const;
    expect(names(sortRows(LOT, byName))).toEqual(["cam-1", "cam-2", "cam-3", "cam-10", "gate", "gate-2"]);
    expect(names(sortRows(LOT, { column: "signal", descending: false }))[0]).toBe("cam-2");
    expect(names(sortRows(LOT, { column: "firmware", descending: true }))[0]).toBe("gate");
  });

  it("are filtered by every word, of the name, the problem or the firmware", () => {
    const found = (filter: string) => names(LOT.filter((row) => matches(row, filter)));
    expect(found("OFFLINE gate")).toEqual(["gate-2"]);
    expect(found("1.9.0 weak")).toEqual(["cam-2"]);
    expect(found("")).toHaveLength(LOT.length);
    expect(found("nothing")).toEqual([]);
  });

  it("name an old firmware by its numbers, not by its letters", () => {
    const old = LOT.filter((row) => row.problems.some((problem) => problem.kind === "firmware"));
    expect(names(old)).toEqual(["gate-2", "cam-2"]);
  });

  it("are grouped by problem for the list of what to do", () => {
    const groups = problemGroups(LOT).map(({ entry, rows }) => [entry.kind, names(rows)]);
    expect(groups).toEqual([
      ["offline", ["cam-3", "gate-2"]],
      ["unhealthy", ["cam-1"]],
      ["signal", ["cam-2"]],
      ["firmware", ["gate-2", "cam-2"]],
    ]);
    expect(summaryWords(LOT)).toBe("4 of 6 need attention: 3 broken, 1 impaired.");
    expect(summaryWords(LOT.slice(4))).toBe("All 2 work normally.");
    expect(summaryWords([])).toBe("No cameras or devices yet.");
  });

  it("become a CSV file with one line each", () => {
    const lines = fleetCsv(LOT).trim().split("\r\n");
    expect(lines).toHaveLength(LOT.length + 1);
    expect(lines[1]).toContain("demo/cam-3,cam-3,Offline,offline: The camera stopped sending");
  });
});
