import { describe, expect, it } from "vitest";

import { addOutlines, EMPTY, layoutParts } from "./drawing";
import { readDraft } from "./draft";
import { exported, imported } from "./exchange";

const DRAWING = addOutlines(
  EMPTY,
  [
    [
      [0, 0],
      [0.5, 0],
      [0.5, 0.5],
    ],
  ],
  "A01",
);

describe("imported files", () => {
  it("of this page contain what was exported", () => {
    const text = exported(DRAWING, { camera_name: "North", interval_ms: 1000 });
    expect(layoutParts(imported(text))).toEqual(layoutParts(DRAWING));
    expect(JSON.parse(text)).toMatchObject({ camera_name: "North", interval_ms: 1000 });
  });

  it("of annotations have coordinates in pixels", () => {
    const slots = [
      {
        id: 7,
        polygon: [
          [10, 10],
          [20, 10],
          [20, 20],
        ],
      },
      {
        id: "A 1",
        polygon: [
          [0, 0],
          [1, 0],
          [1, 1],
        ],
      },
    ];
    const drawing = imported(JSON.stringify({ frames: [{ camera: "c", width: 100, height: 50, slots }] }));
    expect(drawing.slots.map((slot) => slot.slot_id)).toEqual(["7", "A01"]);
    expect(drawing.slots[0]?.polygon).toEqual([
      [0.1, 0.2],
      [0.2, 0.2],
      [0.2, 0.4],
    ]);
  });

  it("of COCO get counted names for the first picture's polygons", () => {
    const annotations = [
      { image_id: 1, segmentation: [[0, 0, 50, 0, 50, 50]] },
      { image_id: 1, segmentation: { counts: "", size: [1, 1] } },
      { image_id: 2, segmentation: [[0, 0, 9, 0, 9, 9]] },
      { image_id: 1, segmentation: [[0, 0, 100, 0, 100, 100, 0, 100]] },
    ];
    const images = [
      { id: 1, width: 100, height: 100 },
      { id: 2, width: 10, height: 10 },
    ];
    const drawing = imported(JSON.stringify({ images, annotations }));
    expect(drawing.slots.map((slot) => [slot.slot_id, slot.polygon.length])).toEqual([
      ["A01", 3],
      ["A02", 4],
    ]);
  });

  it("of another kind are refused with a reason", () => {
    expect(() => imported("{")).toThrow("not JSON");
    expect(() => imported("{}")).toThrow("Unknown file format");
    expect(() => imported('{"frames": [{"slots": []}]}')).toThrow("no outline");
  });
});

describe("an imported layout", () => {
  const polygon = [
    [0, 0],
    [0.5, 0],
    [0.5, 0.5],
  ];
  const good = { slot_id: "A01", zone_id: "A", polygon };

  it.each([
    {},
    null,
    7,
    { ...good, slot_id: 1 },
    { ...good, zone_id: undefined },
    { ...good, kind: "boat" },
    { ...good, enabled: "yes" },
    { ...good, polygon: polygon.slice(1) },
    { ...good, polygon: [...polygon, [0.1]] },
    { ...good, polygon: [...polygon, ["0", 0]] },
    { ...good, plan: [[0, 0]] },
  ])("is refused if a slot is %j", (slot) => {
    expect(() => imported(JSON.stringify({ slots: [good, slot] }))).toThrow("This layout is damaged.");
  });

  it("is refused if its lists are no lists", () => {
    expect(() => imported('{"slots": 3}')).toThrow("This layout is damaged.");
    expect(() => imported(JSON.stringify({ slots: [good], zones: [{}] }))).toThrow("This layout is damaged.");
  });

  it("may lack zones", () => {
    const { slots, zones } = layoutParts(imported(JSON.stringify({ slots: [good] })));
    expect(slots).toMatchObject([good]);
    expect(zones).toEqual([{ zone_id: "A", name: "A" }]);
  });

  it("of annotations without a picture size is refused", () => {
    const frames = [{ camera: "c", slots: [{ id: "A01", polygon }] }];
    expect(() => imported(JSON.stringify({ frames }))).toThrow("This layout is damaged.");
  });
});

describe("a draft", () => {
  it("is read as it was written, and ignored if it is damaged", () => {
    const draft = { base: 3, drawing: DRAWING };
    expect(readDraft(JSON.stringify(draft))).toEqual(draft);
    for (const damaged of [
      "",
      "{}",
      "null",
      '{"base": 1, "drawing": {"slots": [{"key": 1}], "zones": []}}',
    ]) {
      expect(readDraft(damaged)).toBeNull();
    }
  });
});
