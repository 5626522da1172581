import { expect, it } from "vitest";

import { dayOf, daysOf } from "./days";

const HOUR_MS = 3_600_000;

it.each([
  ["2026-05-04", "UTC", "2026-05-04T00:00Z", 24],
  ["2026-05-04", "Asia/Jakarta", "2026-05-03T17:00Z", 24],
  ["2026-03-29", "Europe/Berlin", "2026-03-28T23:00Z", 23],
  ["2026-10-25", "Europe/Berlin", "2026-10-24T22:00Z", 25],
  ["2026-10-26", "Europe/Berlin", "2026-10-25T23:00Z", 24],
  ["2026-03-08", "America/Los_Angeles", "2026-03-08T08:00Z", 23],
])("%s in %s begins at %s and has %i hours", (date, zone, start, hours) => {
  const { from_ms, to_ms } = dayOf(date, zone);
  expect(from_ms).toBe(Date.parse(start));
  expect(to_ms - from_ms).toBe(hours * HOUR_MS);
  expect(daysOf({ from_ms, to_ms }, zone)).toEqual({ from: date, to: date });
});
