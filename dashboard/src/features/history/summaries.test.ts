import { expect, it } from "vitest";

import type { Occupancy, SlotUsage, Usage } from "./requests";
import { busiest, hoursTable, linesOf, lineTable, staysTable, turnover, usedSlots } from "./summaries";

const HOUR_MS = 3_600_000;
const ZONES = new Map([["A", "Row A"]]);
const NONE = { count: 0, p50_ms: null, p90_ms: null };

const OCCUPANCY: Occupancy = {
  time_zone: "Asia/Jakarta",
  from_ms: 0,
  to_ms: 2 * HOUR_MS,
  bucket_ms: HOUR_MS,
  starts_ms: [0, HOUR_MS],
  series: [
    { zone_id: "A", kind: "ev", free: [1, 0], occupied: [1, 0], unknown: [0, 2], closed: [0, 0] },
    { zone_id: "B", kind: "ev", free: [3, 3], occupied: [1, 1], unknown: [0, 0], closed: [0, 0] },
  ],
};

function slot(slot_id: string, free_ms: number, occupied_ms: number): SlotUsage {
  return {
    slot_id,
    zone_id: "A",
    kind: "ev",
    free_ms,
    occupied_ms,
    unknown_ms: 0,
    closed_ms: 0,
    stays: NONE,
  };
}

it("adds up the spaces in each state and leaves out states that never occur", () => {
  expect(linesOf(OCCUPANCY, "state", ZONES)).toEqual([
    { label: "free", values: [4, 3] },
    { label: "occupied", values: [2, 1] },
    { label: "unknown", values: [0, 2] },
  ]);
});

it("takes shares of the known spaces of a zone or kind", () => {
  expect(linesOf(OCCUPANCY, "zone", ZONES)).toEqual([
    { label: "Row A", values: [50, null] },
    { label: "B", values: [25, 25] },
  ]);
  expect(linesOf(OCCUPANCY, "kind", ZONES)).toEqual([{ label: "EV charging", values: [33.3, 25] }]);
});

it("writes the table in the time zone of the site", () => {
  expect(lineTable(OCCUPANCY, [{ label: "free", values: [4, null] }])).toEqual({
    columns: ["time (Asia/Jakarta)", "free"],
    rows: [
      ["1970-01-01 07:00", 4],
      ["1970-01-01 08:00", null],
    ],
  });
});

it("counts stays for each space and day, and for all zones together", () => {
  const stays = { count: 6, p50_ms: 90_000, p90_ms: HOUR_MS };
  const usage: Usage = {
    time_zone: "UTC",
    from_ms: 0,
    to_ms: 36 * HOUR_MS,
    stays,
    zones: [{ zone_id: "A", slots: 2, stays }],
    slots: [slot("A1", 1, 1), slot("A2", 1, 1)],
    hours: [],
  };
  expect(turnover(stays, 2, usage)).toBe(2);
  expect(turnover(stays, 0, usage)).toBeNull();
  expect(staysTable(usage, ZONES).rows).toEqual([
    ["Row A", 2, 6, 2, 1.5, 60],
    ["Whole lot", 2, 6, 2, 1.5, 60],
  ]);
});

it("lays hours out by weekday and finds the busiest", () => {
  const hours = [
    { weekday: 6, hour: 0, occupied_share: null },
    { weekday: 1, hour: 0, occupied_share: 0.256 },
  ];
  const { columns, rows } = hoursTable(hours);
  expect(columns).toEqual(["hour", "Tue", "Sun"]);
  expect([rows.length, rows[0], rows[1]]).toEqual([24, ["00:00", 26, null], ["01:00", null, null]]);
  expect(busiest(hours)).toEqual(hours[1]);
  expect(busiest([{ weekday: 6, hour: 0, occupied_share: null }])).toBeNull();
});

it("lists the most occupied space first and unknown ones last", () => {
  const slots = usedSlots([slot("A10", 1, 1), slot("A1", 0, 0), slot("A2", 1, 1), slot("A3", 0, 5)], ZONES);
  expect(slots.map(({ slot_id, occupied }) => [slot_id, occupied])).toEqual([
    ["A3", 100],
    ["A2", 50],
    ["A10", 50],
    ["A1", null],
  ]);
});
