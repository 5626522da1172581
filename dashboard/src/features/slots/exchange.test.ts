import { describe, expect, it } from "vitest";

import { addOutlines, EMPTY, layoutParts } from "./drawing";
import { readDraft } from "./draft";
import { drawingIn, exported, importNotes, importWords, type SlotFile } from "./exchange";

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
const FILE: SlotFile = {
  ...layoutParts(DRAWING),
  picture: "north.jpg",
  pictures: ["north.jpg"],
  width: 640,
  height: 360,
  notes: [],
};
const SIZE = { width: 1280, height: 720 };

describe("a file", () => {
  it("of this page contains the drawing and the other fields of the layout", () => {
    const text = exported(DRAWING, { camera_name: "North", interval_ms: 1000 });
    expect(JSON.parse(text)).toEqual({ camera_name: "North", interval_ms: 1000, ...layoutParts(DRAWING) });
  });

  it("that was read is a drawing", () => {
    expect(layoutParts(drawingIn(FILE))).toEqual(layoutParts(DRAWING));
  });

  it("is named with its picture if it has several", () => {
    expect(importWords(FILE, "lot.xml")).toBe("1 space imported from lot.xml");
    const several = { ...FILE, pictures: ["north.jpg", "south.jpg"] };
    expect(importWords(several, "lot.xml")).toBe("1 space imported from north.jpg in lot.xml");
  });

  it("of a picture of another shape is to be checked, as is what was left out", () => {
    expect(importNotes(FILE, SIZE)).toEqual([]);
    expect(importNotes({ ...FILE, width: 0, height: 0 }, SIZE)).toEqual([]);
    expect(importNotes({ ...FILE, height: 480, notes: ["line 3: left out"] }, SIZE)).toEqual([
      "The file’s picture is 640x480, but this camera’s is 1280x720. Check the outlines.",
      "line 3: left out",
    ]);
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
