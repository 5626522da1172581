/** The state of the slot editor, and the reducer for its actions. Pure. */
import type { Point } from "../../shared/views";
import { say } from "../../shared/language";
import * as drawings from "./drawing";
import type { DrawnSlot, Drawing, Keys, SlotPatch } from "./drawing";
import { beforeMerge, begin, commit, redo, undo, type History } from "./history";
import { proposedName } from "./names";
import {
  insertCorner,
  MAX_CORNERS,
  middleOfEdge,
  MIN_CORNERS,
  moveCorner,
  removeCorner,
  tidy,
  type Outline,
} from "./outlines";
import { patchWords, selectionWords, spaces } from "./editor-words";
import { rowOf } from "./rows";

export type Tool = "select" | "draw" | "row";
export const ROW_CORNERS = 4;

export interface Editor {
  readonly history: History<Drawing>;
  readonly selected: Keys;
  readonly tool: Tool;
  /** Corners of the outline or row being drawn. */
  readonly placed: Outline;
  /** Where the keyboard places the next corner. */
  readonly cursor: Point;
  readonly clipboard: readonly DrawnSlot[];
  /** The last change, for screen readers and the status line. */
  readonly message: string;
}

export type Action =
  | { type: "tool"; tool: Tool }
  | { type: "place"; at: Point }
  | { type: "place-at-cursor" | "unplace" | "close" | "cancel" }
  | { type: "cursor"; step: Point }
  | { type: "cursor-at"; at: Point }
  | { type: "add-row"; first: string; count: number }
  | { type: "accept"; proposed: readonly Pick<DrawnSlot, "slot_id" | "polygon">[] }
  | { type: "select"; key: number; extend: boolean }
  | { type: "select-all" | "deselect" | "delete" | "copy" | "paste" | "undo" | "redo" }
  | { type: "nudge"; step: Point }
  /** `step`: from where the drag began. */
  | { type: "drag"; step: Point; merge: string }
  | { type: "corner"; key: number; index: number; to: Point; merge: string }
  | { type: "insert-corner"; key: number; edge: number; at?: Point }
  | { type: "remove-corner"; key: number; index: number }
  | { type: "patch"; patch: SlotPatch }
  | { type: "name-zone"; zone_id: string; name: string }
  | { type: "replace"; drawing: Drawing; message: string };

export function newEditor(drawing: Drawing, message = ""): Editor {
  return {
    history: begin(drawing),
    selected: new Set(),
    tool: "select",
    placed: [],
    cursor: [0.5, 0.5],
    clipboard: [],
    message,
  };
}

export function reduce(editor: Editor, action: Action): Editor {
  return drawingAction(editor, action) ?? selectionAction(editor, action) ?? editAction(editor, action);
}

/** Handles tools and the corners being placed. */
function drawingAction(editor: Editor, action: Action): Editor | null {
  const { placed, cursor, tool } = editor;
  switch (action.type) {
    case "tool":
      return { ...editor, tool: action.tool, placed: [], message: say(`tool.${action.tool}.hint`) };
    case "cursor":
      return { ...editor, cursor: tidy([cursor[0] + action.step[0], cursor[1] + action.step[1]]) };
    case "cursor-at":
      return { ...editor, cursor: tidy(action.at) };
    case "place":
      return place(editor, action.at);
    case "place-at-cursor":
      return place(editor, cursor);
    case "unplace":
      return {
        ...editor,
        placed: placed.slice(0, -1),
        message: say("edit.cornersPlaced", { count: Math.max(0, placed.length - 1) }),
      };
    case "close":
      return tool === "draw" ? closeOutline(editor) : editor;
    case "cancel":
      if (placed.length) return { ...editor, placed: [], message: say("edit.discarded") };
      return { ...editor, tool: "select", selected: new Set(), message: say("tool.select.hint") };
    case "add-row":
      return addRow(editor, action.first, action.count);
    default:
      return null;
  }
}

function place(editor: Editor, at: Point): Editor {
  const { tool, placed } = editor;
  const most = tool === "row" ? ROW_CORNERS : MAX_CORNERS;
  if (tool === "select" || placed.length >= most) return editor;
  const corners = [...placed, tidy(at)];
  const full = tool === "row" && corners.length === ROW_CORNERS;
  const message = full ? say("edit.rowPlaced") : say("edit.cornerPlaced", { corner: corners.length });
  return { ...editor, placed: corners, cursor: tidy(at), message };
}

function closeOutline(editor: Editor): Editor {
  const { placed, history } = editor;
  if (placed.length < MIN_CORNERS) return { ...editor, message: say("edit.fewCorners") };
  const name = proposedName(drawings.named(history.now));
  return added(editor, drawings.addOutlines(history.now, [placed], name), (slots) =>
    say("edit.drawn", { what: slots[0]?.slot_id ?? "" }),
  );
}

function addRow(editor: Editor, first: string, count: number): Editor {
  const outlines = rowOf(editor.placed, count);
  if (!outlines.length) return { ...editor, message: say("edit.noRow") };
  const words = (slots: readonly DrawnSlot[]) =>
    say("edit.rowAdded", { count, first: slots[0]?.slot_id ?? "", last: slots.at(-1)?.slot_id ?? "" });
  return added(editor, drawings.addOutlines(editor.history.now, outlines, first), words);
}

/** Selects the new slots of a drawing. */
function added(editor: Editor, drawing: Drawing, words: (slots: readonly DrawnSlot[]) => string): Editor {
  const slots = drawing.slots.slice(editor.history.now.slots.length);
  const selected = new Set(slots.map((slot) => slot.key));
  return changed({ ...editor, placed: [], selected }, drawing, words(slots));
}

/** Handles selection, copying, undo and redo. */
function selectionAction(editor: Editor, action: Action): Editor | null {
  const { history, selected } = editor;
  const { slots } = history.now;
  switch (action.type) {
    case "select":
      return select(editor, action.key, action.extend);
    case "select-all":
      return {
        ...editor,
        selected: new Set(slots.map((slot) => slot.key)),
        message: say("edit.selected", { what: spaces(slots.length) }),
      };
    case "deselect":
      return { ...editor, selected: new Set(), message: say("edit.selected", { what: say("edit.nothing") }) };
    case "copy": {
      const clipboard = drawings.ofKeys(history.now, selected);
      return { ...editor, clipboard, message: say("edit.copied", { what: spaces(clipboard.length) }) };
    }
    case "undo":
      return restored(editor, "undo");
    case "redo":
      return restored(editor, "redo");
    default:
      return null;
  }
}

function select(editor: Editor, key: number, extend: boolean): Editor {
  const selected = new Set(extend ? editor.selected : []);
  if (extend && selected.has(key)) selected.delete(key);
  else selected.add(key);
  return {
    ...editor,
    selected,
    message: say("edit.selected", { what: selectionWords({ ...editor, selected }) }),
  };
}

function restored(editor: Editor, verb: "undo" | "redo"): Editor {
  const { past, future } = editor.history;
  const [history, step] =
    verb === "undo" ? [undo(editor.history), past.at(-1)] : [redo(editor.history), future.at(-1)];
  if (!history || !step) return { ...editor, message: say(`edit.${verb}.nothing`) };
  const there = new Set(history.now.slots.map((slot) => slot.key));
  const selected = new Set([...editor.selected].filter((key) => there.has(key)));
  return { ...editor, history, selected, message: say(`edit.${verb}.done`, { step: step.label }) };
}

/** Handles changes to the drawing. */
function editAction(editor: Editor, action: Action): Editor {
  const { history, selected } = editor;
  const { now } = history;
  const what = selectionWords(editor);
  switch (action.type) {
    case "delete":
      return changed(
        { ...editor, selected: new Set() },
        drawings.removeSlots(now, selected),
        say("edit.deleted", { what }),
      );
    case "paste":
      if (!editor.clipboard.length) return { ...editor, message: say("edit.noPaste") };
      return added(editor, drawings.pasteSlots(now, editor.clipboard), (slots) =>
        say("edit.pasted", { what: spaces(slots.length) }),
      );
    case "accept":
      return added(editor, drawings.addNamed(now, action.proposed), (slots) =>
        say("edit.accepted", { what: slots.length === 1 ? (slots[0]?.slot_id ?? "") : spaces(slots.length) }),
      );
    case "nudge":
      return changed(
        editor,
        drawings.moveSlots(now, selected, action.step),
        say("edit.moved", { what }),
        `nudge ${[...selected].join()}`,
      );
    case "drag":
      return changed(
        editor,
        drawings.moveSlots(beforeMerge(history, action.merge), selected, action.step),
        say("edit.moved", { what }),
        action.merge,
      );
    case "patch":
      return changed(
        editor,
        drawings.patchSlots(now, selected, action.patch),
        `${what}: ${patchWords(action.patch)}`,
      );
    case "name-zone":
      return changed(
        editor,
        drawings.nameZone(now, action.zone_id, action.name),
        say("edit.zoneNamed", { zone: action.zone_id }),
        `zone ${action.zone_id}`,
      );
    case "replace":
      return changed({ ...editor, selected: new Set(), placed: [] }, action.drawing, action.message);
    default:
      return cornerAction(editor, action);
  }
}

function cornerAction(editor: Editor, action: Action): Editor {
  if (!("key" in action) || action.type === "select") return editor;
  const slot = editor.history.now.slots.find((one) => one.key === action.key);
  if (!slot) return editor;
  const { polygon, slot_id, key } = slot;
  const set = (outline: Outline, message: string, merge: string | null = null) =>
    changed(editor, drawings.setOutline(editor.history.now, key, outline), message, merge);
  switch (action.type) {
    case "corner":
      return set(
        moveCorner(polygon, action.index, action.to),
        say("edit.cornerMoved", { corner: action.index + 1, space: slot_id }),
        action.merge,
      );
    case "insert-corner": {
      const at = action.at ?? middleOfEdge(polygon, action.edge);
      if (polygon.length >= MAX_CORNERS)
        return { ...editor, message: say("edit.mostCorners", { space: slot_id, most: MAX_CORNERS }) };
      return set(
        insertCorner(polygon, action.edge, at),
        say("edit.cornerAdded", { corner: action.edge + 2, space: slot_id }),
      );
    }
    case "remove-corner":
      if (polygon.length <= MIN_CORNERS)
        return { ...editor, message: say("edit.leastCorners", { space: slot_id }) };
      return set(
        removeCorner(polygon, action.index),
        say("edit.cornerDeleted", { corner: action.index + 1, space: slot_id }),
      );
  }
}

function changed(editor: Editor, drawing: Drawing, message: string, merge: string | null = null): Editor {
  const history = commit(editor.history, drawing, message, merge);
  return history === editor.history ? editor : { ...editor, history, message };
}
