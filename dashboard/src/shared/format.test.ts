import { expect, it } from "vitest";

import { countStates, nothingKnown } from "./counts";
import { ago, duration, pace, percent } from "./format";

it.each([
  [-5_000, "0 s"],
  [59_000, "59 s"],
  [60_000, "1 min"],
  [3_600_000 + 5 * 60_000, "1 h 05 min"],
  [(2 * 24 + 4) * 3_600_000, "2 d 4 h"],
])("%i ms is %s", (ms, words) => {
  expect(duration(ms)).toBe(words);
});

it('formats recent times as "just now", and rounds shares', () => {
  expect(ago(900)).toBe("just now");
  expect(ago(61_000)).toBe("1 min ago");
  expect(percent(0.934)).toBe("93 %");
  expect([400, 1_000, 2_500, 60_000].map(pace)).toEqual(["0.4 s", "1 s", "2.5 s", "1 min"]);
});

it("does not call a lot full while its spaces are unknown", () => {
  const none = countStates([]);
  expect(nothingKnown({ ...none, unknown: 3, closed: 1, total: 4 })).toBe(true);
  expect(nothingKnown({ ...none, unknown: 3, occupied: 1, total: 4 })).toBe(false);
});
