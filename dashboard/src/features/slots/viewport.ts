/** The visible part of the picture, in pixels of the picture. Pure. */
import type { Point } from "../../shared/views";
import { between, type Size } from "./outlines";

export interface Viewport {
  x: number;
  y: number;
  /** 1: the whole picture; 2: half of its width. */
  scale: number;
}

export const ALL: Viewport = { x: 0, y: 0, scale: 1 };
const MOST = 16;
/** The factor of one step by key or button. */
export const ZOOM = 1.25;

/** Zooms by a factor; `place` (in shares of the picture) stays where it is on the screen. */
export function zoom(view: Viewport, size: Size, by: number, place?: Point): Viewport {
  const scale = between(view.scale * by, 1, MOST);
  const [left, top] = [view.x / size.width, view.y / size.height];
  const [px, py] = place ?? [left + 0.5 / view.scale, top + 0.5 / view.scale];
  const kept = view.scale / scale;
  return inside(
    { x: (px - (px - left) * kept) * size.width, y: (py - (py - top) * kept) * size.height, scale },
    size,
  );
}

/** Moves the view by shares of its visible part. */
export function pan(view: Viewport, size: Size, [dx, dy]: Point): Viewport {
  const { x, y, scale } = view;
  return inside({ x: x + (dx * size.width) / scale, y: y + (dy * size.height) / scale, scale }, size);
}

export function viewBox({ x, y, scale }: Viewport, { width, height }: Size): string {
  return `${x} ${y} ${width / scale} ${height / scale}`;
}

function inside({ x, y, scale }: Viewport, { width, height }: Size): Viewport {
  const room = 1 - 1 / scale;
  return { x: between(x, 0, room * width), y: between(y, 0, room * height), scale };
}
