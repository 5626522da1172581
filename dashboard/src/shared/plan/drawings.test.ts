import { expect, it } from "vitest";

import type { Site } from "../live";
import type { CameraView, Point, SlotView } from "../views";
import { drawingsOf } from "./drawings";

function slot(slot_id: string, plan: readonly Point[] | null): SlotView {
  return {
    site_id: "demo",
    slot_id,
    zone_id: "A",
    kind: "standard",
    state: "free",
    version: 1,
    changed_at_ms: 1,
    observed_at_ms: 1,
    confidence: 1,
    reason: "",
    camera_ids: [],
    plan,
  };
}

function site(...slots: SlotView[]): Site {
  const byId = Object.fromEntries(slots.map((each) => [each.slot_id, each]));
  return {
    site_id: "demo",
    name: "Demo",
    zones: [],
    slots: byId,
    undrawn: {},
    open_sessions: 0,
    public: false,
  };
}

const at = (x: number, y: number): Point[] => [
  [x, y],
  [x + 2.5, y],
  [x + 2.5, y + 5],
  [x, y + 5],
];
const CAMERA: CameraView = {
  camera_id: "demo/north",
  name: "North",
  status: "online",
  reason: "",
  health: "ok",
  interval_ms: 1_000,
  layout_version: 1,
  slots: [
    {
      slot_id: "b",
      zone_id: "A",
      polygon: [
        [0.1, 0.1],
        [0.2, 0.1],
        [0.2, 0.2],
      ],
    },
  ],
};

it("draws a plan from the north, in rows from the west, each slot along its length", () => {
  const [plan, ...rest] = drawingsOf(
    site(slot("c", at(3, 0)), slot("b", at(3, 10)), slot("a", at(0, 10.3))),
    [],
  );
  expect(rest).toEqual([]);
  expect(plan?.shapes.map((shape) => shape.slot.slot_id)).toEqual(["a", "b", "c"]);
  expect(plan?.shapes[0]?.frame.length).toBeCloseTo(100);
  expect(plan?.shapes[0]?.frame.breadth).toBeCloseTo(50);
});

it("draws slots without a place on the plan as a camera sees them", () => {
  const drawings = drawingsOf(site(slot("a", at(0, 0)), slot("b", null)), [CAMERA]);
  expect(drawings.map((each) => [each.title, each.shapes.length])).toEqual([
    [null, 1],
    ["View of North", 1],
  ]);
});

it("draws nothing for a site without a layout", () => {
  expect(drawingsOf(site(), [])).toEqual([]);
});

it("keeps the shapes of unchanged slots, so that they are not rendered again", () => {
  const points = (): Point[] => [
    [0, 0],
    [2, 0],
    [2, 5],
    [0, 5],
  ];
  const [still, before] = ["A1", "A2"].map((id) => slot(id, points()));
  if (!still || !before) throw new Error("two slots");
  const first = drawingsOf(site(still, before), [])[0]?.shapes ?? [];
  const second = drawingsOf(site(still, { ...before, state: "occupied" }), [])[0]?.shapes ?? [];
  const stateOf = (shapes: typeof first) =>
    shapes.map((shape) => `${shape.slot.slot_id} ${shape.slot.state}`);
  expect(second.filter((shape) => first.includes(shape)).map((shape) => shape.slot)).toEqual([still]);
  expect(stateOf(second).sort()).toEqual(["A1 free", "A2 occupied"]);
});
