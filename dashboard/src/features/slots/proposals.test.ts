import { describe, expect, it } from "vitest";

import type { Point } from "../../shared/views";
import { EMPTY } from "./drawing";
import { newEditor, reduce, type Editor } from "./editor";
import { answerWords, evidenceWords, openProposals, type ProposedSlot } from "./proposals";

function proposed(slot_id: string, x: number, frames = 3): ProposedSlot {
  const polygon: Point[] = [
    [x, 0.1],
    [x + 0.1, 0.1],
    [x + 0.1, 0.3],
    [x, 0.3],
  ];
  return { slot_id, polygon, frames };
}

const ROW = [proposed("A01", 0.1), proposed("A02", 0.2), proposed("B01", 0.5)];
const NONE = new Set<string>();

const names = (slots: readonly { slot_id: string }[]) => slots.map((one) => one.slot_id);
const open = (editor: Editor, dismissed = NONE) =>
  names(openProposals(ROW, dismissed, editor.history.now.slots));

describe("proposals", () => {
  it("are open until they are accepted or dismissed, and again after undo", () => {
    const before = newEditor(EMPTY);
    const after = reduce(before, { type: "accept", proposed: ROW.slice(0, 1) });
    expect(open(before)).toEqual(["A01", "A02", "B01"]);
    expect(open(after)).toEqual(["A02", "B01"]);
    expect(open(after, new Set(["B01"]))).toEqual(["A02"]);
    expect(open(reduce(after, { type: "undo" }))).toEqual(["A01", "A02", "B01"]);
  });

  it("become spaces in one step, each in the zone of its name", () => {
    const editor = reduce(newEditor(EMPTY), { type: "accept", proposed: ROW });
    expect(editor.history.now.slots.map((slot) => [slot.slot_id, slot.zone_id, slot.polygon])).toEqual(
      ROW.map((one) => [one.slot_id, one.slot_id.charAt(0), one.polygon]),
    );
    expect(editor.message).toBe("3 spaces accepted");
    expect(reduce(editor, { type: "undo" }).history.now).toEqual(EMPTY);
  });

  it("get the next free name where theirs is taken", () => {
    const taken = reduce(newEditor(EMPTY), { type: "accept", proposed: [proposed("A01", 0.8)] });
    const editor = reduce(taken, { type: "accept", proposed: ROW });
    expect(names(editor.history.now.slots)).toEqual(["A01", "A02", "A03", "B01"]);
  });

  it("that lie over each other are not offered together", () => {
    const twins = [proposed("A01", 0.1), proposed("Z01", 0.15)];
    expect(names(openProposals(twins, NONE, []))).toEqual(["A01"]);
    expect(names(openProposals(twins, new Set(["A01"]), []))).toEqual(["Z01"]);
  });

  it("say what they are based on", () => {
    expect(evidenceWords(proposed("A01", 0, 1), 1)).toBe("a vehicle in 1 of 1 picture");
    expect(evidenceWords(proposed("A01", 0, 0), 40)).toBe("a gap in a row");
    expect(answerWords({ frames: 40, slots: ROW }, 2, "day")).toBe("2 spaces proposed from 40 pictures.");
    expect(answerWords({ frames: 40, slots: ROW }, 0, "day")).toContain("drawn or dismissed");
    expect(answerWords({ frames: 40, slots: [] }, 0, "day")).toContain(
      "No parked vehicle was seen in 40 pictures",
    );
    expect(answerWords({ frames: 1, slots: [] }, 0, "picture")).toContain("in the newest picture");
    expect(answerWords({ frames: 0, slots: [] }, 0, "picture")).toContain("No usable picture");
  });
});
