import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";

import type { SlotView } from "../views";
import { frameOf } from "../geometry";
import { SlotShape } from "./slot-shape";

const OUTLINE = [
  [0, 0],
  [50, 0],
  [50, 100],
  [0, 100],
] as const;
const SLOT: SlotView = {
  site_id: "demo",
  slot_id: "A1",
  zone_id: "A",
  kind: "ev",
  state: "occupied",
  version: 1,
  changed_at_ms: 1,
  observed_at_ms: 1,
  confidence: 1,
  reason: "observed",
  camera_ids: [],
  plan: null,
};

function drawn(old: string | null, vehicle: string | null = null): string {
  const shape = { slot: SLOT, outline: OUTLINE, frame: frameOf(OUTLINE) };
  return renderToStaticMarkup(
    createElement(SlotShape, { shape, old, vehicle, selected: false, inTabOrder: true }),
  );
}

it("marks an old slot with stripes and its age", () => {
  const markup = drawn("last seen over 10 s ago");
  expect(markup).toContain('aria-label="A1: occupied, EV charging, last seen over 10 s ago"');
  expect(markup).toContain("slot-old");
  expect(markup).toContain("url(#old-stripes)");
});

it("does not mark a recently seen slot", () => {
  const markup = drawn(null);
  expect(markup).toContain('aria-label="A1: occupied, EV charging"');
  expect(markup).not.toContain("old");
});

it("marks a slot whose vehicle stands over others, too, and says so", () => {
  const markup = drawn(null, "one vehicle across A1 and A2");
  expect(markup).toContain('aria-label="A1: occupied, one vehicle across A1 and A2, EV charging"');
  expect(markup.split("slot-kind")).toHaveLength(3); // the charger's sign and the double arrow
  expect(drawn(null).split("slot-kind")).toHaveLength(2);
});
