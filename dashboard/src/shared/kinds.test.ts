import { expect, it } from "vitest";

import { KINDS, spaceOfKind } from "./kinds";

it("names the spaces of each kind", () => {
  expect(KINDS.map(spaceOfKind)).toEqual([
    null,
    "accessible space",
    "space with a charger",
    "space for motorcycles",
  ]);
});
