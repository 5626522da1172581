import { expect, it } from "vitest";

import { site, slot } from "../testing";
import { vehiclesOverSeveral } from "./straddling";

const occupied = { state: "occupied" } as const;

function words(...slots: readonly ReturnType<typeof slot>[]) {
  return Object.fromEntries(vehiclesOverSeveral(site(...slots).slots));
}

it("names the vehicle at both spaces, even if only one names the other", () => {
  const over = "one vehicle across A2 and A10";
  expect(words(slot("A10", { ...occupied, straddling: ["A2"] }), slot("A2", occupied))).toEqual({
    A10: over,
    A2: over,
  });
});

it("names all three spaces of a lorry", () => {
  const found = words(
    slot("A1", { ...occupied, straddling: ["A2"] }),
    slot("A2", { ...occupied, straddling: ["A1", "A3"] }),
    slot("A3", { ...occupied, straddling: ["A2"] }),
  );
  expect(found.A2).toBe("one vehicle across A1, A2 and A3");
});

it("says nothing once one of the spaces is free, unknown or removed", () => {
  const first = slot("A1", { ...occupied, straddling: ["A2"] });
  expect(words(first, slot("A2"))).toEqual({});
  expect(words(first, slot("A2", { state: "unknown" }))).toEqual({});
  expect(words(first)).toEqual({});
});

it("says nothing of spaces with a vehicle each, or from a server that does not say it", () => {
  expect(words(slot("A1", occupied), slot("A2", { ...occupied, straddling: [] }))).toEqual({});
});
