/** Maps keys to actions on the picture. Pure. */
import { ARROWS } from "../../shared/arrows";
import type { Point } from "../../shared/views";
import type { Action, Tool } from "./editor";
import type { Size } from "./outlines";
import { ZOOM } from "./viewport";

export interface Key {
  key: string;
  shiftKey: boolean;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

/** The corner in focus. */
export interface Corner {
  key: number;
  index: number;
  at: Point;
}

export type View = { type: "zoom"; by: number } | { type: "pan"; step: Point } | { type: "fit" };

export function viewOf({ key, altKey }: Key): View | null {
  const arrow = ARROWS[key];
  if (altKey && arrow) return { type: "pan", step: [arrow[0] * 0.1, arrow[1] * 0.1] };
  if (key === "+" || key === "=") return { type: "zoom", by: ZOOM };
  if (key === "-") return { type: "zoom", by: 1 / ZOOM };
  return key === "0" ? { type: "fit" } : null;
}

/** `space`: the key of the space in focus. With Alt, keys belong to the view and the browser. */
export function actionOf(
  key: Key,
  tool: Tool,
  size: Size,
  corner: Corner | null,
  space: number | null = null,
): Action | null {
  if (key.altKey) return null;
  const arrow = ARROWS[key.key];
  if (arrow) return arrowAction(stepOf(key, arrow, size), tool, corner);
  if (key.ctrlKey || key.metaKey) return controlAction(key);
  return tool === "select" ? selectKey(key.key, corner, space) : placeKey(key.key, tool);
}

/** One pixel of the picture; ten with Shift, a hundred with Control. */
function stepOf({ shiftKey, ctrlKey }: Key, [x, y]: Point, { width, height }: Size): Point {
  const pixels = ctrlKey ? 100 : shiftKey ? 10 : 1;
  return [(x * pixels) / width, (y * pixels) / height];
}

function arrowAction(step: Point, tool: Tool, corner: Corner | null): Action {
  if (tool !== "select") return { type: "cursor", step };
  if (!corner) return { type: "nudge", step };
  const { key, index, at } = corner;
  return {
    type: "corner",
    key,
    index,
    to: [at[0] + step[0], at[1] + step[1]],
    merge: `corner ${key} ${index}`,
  };
}

function controlAction({ key, shiftKey }: Key): Action | null {
  const plain: Readonly<Record<string, Action>> = {
    z: { type: shiftKey ? "redo" : "undo" },
    y: { type: "redo" },
    a: { type: "select-all" },
    c: { type: "copy" },
    v: { type: "paste" },
  };
  return plain[key.toLowerCase()] ?? null;
}

function selectKey(key: string, corner: Corner | null, space: number | null): Action | null {
  if (key === "Enter" || key === " ") {
    return corner || space === null ? null : { type: "select", key: space, extend: true };
  }
  if (key === "Delete" || key === "Backspace") {
    return corner ? { type: "remove-corner", key: corner.key, index: corner.index } : { type: "delete" };
  }
  if (key === "Insert" || key === "i") {
    return corner ? { type: "insert-corner", key: corner.key, edge: corner.index } : null;
  }
  return toolKey(key);
}

function placeKey(key: string, tool: Tool): Action | null {
  const keys: Readonly<Record<string, Action>> = {
    " ": { type: "place-at-cursor" },
    Enter: tool === "draw" ? { type: "close" } : { type: "place-at-cursor" },
    Backspace: { type: "unplace" },
    Delete: { type: "unplace" },
  };
  return keys[key] ?? toolKey(key);
}

function toolKey(key: string): Action | null {
  const keys: Readonly<Record<string, Action>> = {
    Escape: { type: "cancel" },
    s: { type: "tool", tool: "select" },
    d: { type: "tool", tool: "draw" },
    r: { type: "tool", tool: "row" },
  };
  return keys[key] ?? null;
}
