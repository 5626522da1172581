import { describe, expect, it } from "vitest";

import type { Point } from "../../shared/views";
import { differences, EMPTY, layoutParts } from "./drawing";
import { newEditor, reduce, type Action, type Editor } from "./editor";

const CORNERS: Point[] = [
  [0.1, 0.1],
  [0.4, 0.1],
  [0.4, 0.3],
  [0.1, 0.3],
];
const PLACED: Action[] = CORNERS.map((at) => ({ type: "place", at }));
const DRAWN: Action[] = [{ type: "tool", tool: "draw" }, ...PLACED, { type: "close" }];
const ROW: Action[] = [{ type: "tool", tool: "row" }, ...PLACED, { type: "add-row", first: "B01", count: 3 }];

function after(...actions: Action[]): Editor {
  return actions.reduce(reduce, newEditor(EMPTY));
}

const slotsOf = (editor: Editor) => editor.history.now.slots;

describe("the slot editor", () => {
  it("draws a space by its corners, names it and selects it", () => {
    const editor = after(...DRAWN);
    expect(slotsOf(editor)).toMatchObject([
      { slot_id: "A01", zone_id: "A", polygon: CORNERS, enabled: true },
    ]);
    expect([...editor.selected]).toEqual([0]);
    expect(editor.message).toBe("A01 drawn");
  });

  it("does not draw a space with two corners", () => {
    const editor = after({ type: "tool", tool: "draw" }, ...PLACED.slice(0, 2), { type: "close" });
    expect(slotsOf(editor)).toEqual([]);
    expect(editor.placed).toHaveLength(2);
    expect(editor.message).toContain("three corners");
  });

  it("adds a row with counted names, as one step", () => {
    const editor = after(...ROW);
    expect(slotsOf(editor).map((slot) => slot.slot_id)).toEqual(["B01", "B02", "B03"]);
    expect(editor.message).toBe("Row of 3 spaces added: B01 to B03");
    expect(slotsOf(reduce(editor, { type: "undo" }))).toEqual([]);
  });

  it("moves the selection, and undoes a run of small steps at once", () => {
    let editor = after(...DRAWN);
    for (let i = 0; i < 20; i++) editor = reduce(editor, { type: "nudge", step: [0.01, 0] });
    expect(slotsOf(editor)[0]?.polygon[0]?.[0]).toBeCloseTo(0.3, 9);
    editor = reduce(editor, { type: "undo" });
    expect(slotsOf(editor)[0]?.polygon).toEqual(CORNERS);
    expect(editor.message).toBe("Undone: A01 moved");
    expect(slotsOf(reduce(editor, { type: "redo" }))[0]?.polygon[0]?.[0]).toBeCloseTo(0.3, 9);
  });

  it("drags from the start of the drag, not from the last move", () => {
    const start = after(...DRAWN);
    const once = reduce(start, { type: "drag", step: [0.1, 0], merge: "drag 1" });
    const twice = reduce(once, { type: "drag", step: [0.2, 0], merge: "drag 1" });
    expect(slotsOf(twice)[0]?.polygon[0]).toEqual([0.3, 0.1]);
    expect(slotsOf(reduce(twice, { type: "undo" }))[0]?.polygon).toEqual(CORNERS);
  });

  it("keeps what was typed before a drag", () => {
    const named = after(...DRAWN, { type: "patch", patch: { slot_id: "X1" } });
    const dragged = reduce(named, { type: "drag", step: [0.1, 0], merge: "drag 1" });
    expect(slotsOf(dragged)).toMatchObject([{ slot_id: "X1" }]);
    expect(slotsOf(dragged)[0]?.polygon[0]).toEqual([0.2, 0.1]);
  });

  it("keeps the selection if there is nothing to paste", () => {
    const editor = after(...DRAWN, { type: "paste" });
    expect([...editor.selected]).toEqual([0]);
    expect(editor.message).toBe("Nothing to paste");
  });

  it("says that there is nothing to undo or redo", () => {
    expect(after({ type: "undo" }).message).toBe("Nothing to undo");
    expect(after({ type: "redo" }).message).toBe("Nothing to redo");
  });

  it("inserts and deletes corners within their limits", () => {
    let editor = after(...DRAWN, { type: "insert-corner", key: 0, edge: 3 });
    expect(slotsOf(editor)[0]?.polygon[4]).toEqual([0.1, 0.2]);
    for (let i = 0; i < 3; i++) editor = reduce(editor, { type: "remove-corner", key: 0, index: 0 });
    expect(slotsOf(editor)[0]?.polygon).toHaveLength(3);
    expect(editor.message).toContain("minimum");
  });

  it("copies several spaces, pastes them with new names, and deletes them", () => {
    let editor = after(...ROW, { type: "copy" }, { type: "paste" });
    expect(slotsOf(editor).map((slot) => slot.slot_id)).toEqual(["B01", "B02", "B03", "B04", "B05", "B06"]);
    expect(editor.selected.size).toBe(3);
    expect(slotsOf(editor)[3]?.polygon[0]).toEqual([0.12, 0.12]);
    editor = reduce(editor, { type: "delete" });
    expect(slotsOf(editor)).toHaveLength(3);
  });

  it("sets the zone and kind of the selection", () => {
    const some: Action[] = [
      { type: "select", key: 0, extend: false },
      { type: "select", key: 2, extend: true },
    ];
    const editor = after(
      ...ROW,
      ...some,
      { type: "patch", patch: { kind: "ev" } },
      { type: "patch", patch: { zone_id: "N" } },
    );
    expect(slotsOf(editor).map((slot) => `${slot.zone_id} ${slot.kind}`)).toEqual([
      "N ev",
      "B standard",
      "N ev",
    ]);
    const { zones } = layoutParts(
      reduce(editor, { type: "name-zone", zone_id: "N", name: "North" }).history.now,
    );
    expect(zones).toEqual([
      { zone_id: "N", name: "North" },
      { zone_id: "B", name: "B" },
    ]);
  });

  it("keeps the keyboard's cursor inside the picture", () => {
    expect(after({ type: "cursor", step: [0.7, -0.1] }).cursor).toEqual([1, 0.4]);
    const twice: Action = { type: "cursor-at", at: [0.2, 1.3] };
    expect(after(twice, twice).cursor).toEqual([0.2, 1]);
  });

  it("lists the spaces in which two drawings differ", () => {
    const one = after(...ROW);
    const other = [{ type: "select", key: 1, extend: false } as const, { type: "delete" } as const].reduce(
      reduce,
      one,
    );
    expect(differences(one.history.now, other.history.now)).toEqual(["B02"]);
    expect(differences(one.history.now, one.history.now)).toEqual([]);
  });
});
