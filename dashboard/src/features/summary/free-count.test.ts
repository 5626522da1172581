import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import type { Counts } from "../../shared/views";
import { FreeCount } from "./free-count";

function words(counts: Partial<Counts>): string {
  const all = { free: 0, occupied: 0, unknown: 0, closed: 0, total: 6, ...counts };
  const markup = renderToStaticMarkup(createElement(FreeCount, { counts: all }));
  return markup
    .replace(/<[^>]+>/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}

describe("the count of free spaces", () => {
  it.each([
    [{ free: 2, occupied: 4 }, "2 free of 6"],
    [{ occupied: 5, closed: 1 }, "0 full of 6"],
    [{ occupied: 5, unknown: 1 }, "0 free of 6"],
    [{ unknown: 5, closed: 1 }, "? No live data"],
    [{ closed: 6 }, "– closed"],
    [{ total: 0 }, "? no spaces drawn yet"],
  ])("of %o reads: %s", (counts, text) => {
    expect(words(counts)).toBe(text);
  });
});
