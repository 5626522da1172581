import { describe, expect, it } from "vitest";

import { isName, namesFrom, nextName, proposedName, zoneOf } from "./names";

describe("names", () => {
  it("count up their last number and keep its width", () => {
    expect(["A01", "A09", "A99", "P-7b", "Gate", "9"].map(nextName)).toEqual([
      "A02",
      "A10",
      "A100",
      "P-8b",
      "Gate2",
      "10",
    ]);
  });

  it("skip taken names", () => {
    expect(namesFrom("A01", 3, new Set(["A02"]))).toEqual(["A01", "A03", "A04"]);
  });

  it("continue the last one", () => {
    expect(proposedName([])).toBe("A01");
    expect(proposedName(["A01", "B07"])).toBe("B08");
    expect(proposedName(["B08", "B07"])).toBe("B09");
  });

  it("contain their zone", () => {
    expect(["A01", "North-3", "12", "Gate"].map(zoneOf)).toEqual(["A", "North", "lot", "lot"]);
  });

  it("are valid if the server accepts them", () => {
    expect(["A01", "a.b-c_d"].every(isName)).toBe(true);
    expect(["", "A 1", "Ä1", "..", "x".repeat(41)].some(isName)).toBe(false);
  });
});
