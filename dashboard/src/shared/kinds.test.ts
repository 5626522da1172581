import { expect, it } from "vitest";

import { KINDS, spaceOfKind } from "./kinds";

it("names the spaces of each kind", () => {
  expect(KINDS.map(spaceOfKind)).toEqual([null, "accessible space", "EV charging space", "motorcycle space"]);
});
