import { expect, it } from "vitest";

import { faultOf, parametersOf, queryOf, rangeOf } from "./range";

it("reads back every range that it writes into the address", () => {
  for (const range of [
    "today",
    "yesterday",
    "7d",
    "30d",
    { from: "2026-05-01", to: "2026-05-31" },
  ] as const) {
    expect(rangeOf(queryOf(range))).toEqual(range);
  }
});

it("takes today for an address without a range, or with a faulty one", () => {
  for (const query of [
    "",
    "range=decade",
    "from=2026-05-02&to=2026-05-01",
    "from=2026-13-01&to=2026-13-02",
  ]) {
    expect(rangeOf(query)).toBe("today");
  }
});

it("asks the API for own days by their names", () => {
  expect(parametersOf("7d")).toEqual({ range: "7d" });
  expect(parametersOf({ from: "2026-05-01", to: "2026-05-02" })).toEqual({
    from_day: "2026-05-01",
    to_day: "2026-05-02",
  });
});

it("says what is wrong with own days", () => {
  expect(faultOf({ from: "2026-05-01", to: "2026-05-01" })).toBe("");
  expect(faultOf({ from: "", to: "2026-05-01" })).toMatch("Choose the first");
  expect(faultOf({ from: "2026-05-02", to: "2026-05-01" })).toMatch("before");
  expect(faultOf({ from: "2026-02-01", to: "2026-05-03" })).toBe("");
  expect(faultOf({ from: "2026-02-01", to: "2026-05-04" })).toMatch("92 days");
});
