import { expect, it } from "vitest";

import { csvTime, toCsv } from "./csv";

it("quotes what would break a row, and keeps formulas from running", () => {
  expect(
    toCsv([
      ["name", "note"],
      ["North, 2", 'a "gate"\nhere'],
      ["=HYPERLINK(1)", -82],
      ["@x", null],
    ]),
  ).toBe('name,note\r\n"North, 2","a ""gate""\nhere"\r\n\'=HYPERLINK(1),-82\r\n\'@x,\r\n');
});

it("writes times in UTC", () => {
  expect(csvTime(1_700_000_000_000)).toBe("2023-11-14 22:13:20.000");
  expect([csvTime(null), csvTime(undefined)]).toEqual(["", ""]);
});
