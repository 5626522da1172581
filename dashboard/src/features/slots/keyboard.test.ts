import { describe, expect, it } from "vitest";

import { actionOf, viewOf, type Corner, type Key } from "./keyboard";

const SIZE = { width: 1000, height: 500 };
const CORNER: Corner = { key: 7, index: 2, at: [0.5, 0.5] };

function press(key: string, held: Partial<Key> = {}): Key {
  return { key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...held };
}

describe("the keyboard", () => {
  it("moves by 1, 10 and 100 pixels of the picture", () => {
    const steps = [{}, { shiftKey: true }, { ctrlKey: true }].map((held) =>
      actionOf(press("ArrowRight", held), "select", SIZE, null),
    );
    expect(steps).toEqual([0.001, 0.01, 0.1].map((x) => ({ type: "nudge", step: [x, 0] })));
    expect(actionOf(press("ArrowDown"), "draw", SIZE, null)).toEqual({ type: "cursor", step: [0, 0.002] });
  });

  it("moves, inserts and deletes the corner in focus", () => {
    expect(actionOf(press("ArrowUp"), "select", SIZE, CORNER)).toMatchObject({
      type: "corner",
      index: 2,
      to: [0.5, 0.498],
    });
    expect(actionOf(press("Insert"), "select", SIZE, CORNER)).toEqual({
      type: "insert-corner",
      key: 7,
      edge: 2,
    });
    expect(actionOf(press("Delete"), "select", SIZE, CORNER)).toEqual({
      type: "remove-corner",
      key: 7,
      index: 2,
    });
    expect(actionOf(press("Delete"), "select", SIZE, null)).toEqual({ type: "delete" });
  });

  it("places corners and closes an outline", () => {
    expect(actionOf(press(" "), "draw", SIZE, null)).toEqual({ type: "place-at-cursor" });
    expect(actionOf(press("Enter"), "draw", SIZE, null)).toEqual({ type: "close" });
    expect(actionOf(press("Enter"), "row", SIZE, null)).toEqual({ type: "place-at-cursor" });
    expect(actionOf(press("Backspace"), "row", SIZE, null)).toEqual({ type: "unplace" });
  });

  it("redoes with either of the usual keys", () => {
    const both = [press("Z", { ctrlKey: true, shiftKey: true }), press("y", { ctrlKey: true })];
    expect(both.map((key) => actionOf(key, "select", SIZE, null))).toEqual([
      { type: "redo" },
      { type: "redo" },
    ]);
    expect(actionOf(press("z", { metaKey: true }), "select", SIZE, null)).toEqual({ type: "undo" });
  });

  it("leaves letters with Alt to the browser", () => {
    const letters = ["s", "d", "r", "i"].map((key) =>
      actionOf(press(key, { altKey: true }), "select", SIZE, CORNER),
    );
    expect(letters).toEqual([null, null, null, null]);
  });

  it("selects or deselects the space in focus, but not by a key on its corner", () => {
    for (const key of ["Enter", " "]) {
      expect(actionOf(press(key), "select", SIZE, null, 7)).toEqual({ type: "select", key: 7, extend: true });
      expect(actionOf(press(key), "select", SIZE, CORNER, 7)).toBeNull();
      expect(actionOf(press(key), "select", SIZE, null)).toBeNull();
    }
  });

  it("zooms and pans, and leaves other keys to the page", () => {
    expect(viewOf(press("+"))).toEqual({ type: "zoom", by: 1.25 });
    expect(viewOf(press("ArrowLeft", { altKey: true }))).toEqual({ type: "pan", step: [-0.1, 0] });
    expect(viewOf(press("Tab"))).toBeNull();
    expect(actionOf(press("Tab"), "select", SIZE, null)).toBeNull();
    expect(actionOf(press("ArrowLeft", { altKey: true }), "select", SIZE, null)).toBeNull();
  });
});
