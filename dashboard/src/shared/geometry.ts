/** Plane geometry of slots, in the unit of the points. */
import type { Point } from "./views";

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** A rectangle along the longest edge of a slot: it places the car and sizes the text. */
export interface Frame {
  centre: Point;
  angleDeg: number;
  length: number;
  breadth: number;
}

export function boundsOf(points: readonly Point[]): Box {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  return {
    left: Math.min(...xs),
    top: Math.min(...ys),
    right: Math.max(...xs),
    bottom: Math.max(...ys),
  };
}

export function middleOf(points: readonly Point[]): Point {
  const sum = points.reduce<Point>(([x, y], [px, py]) => [x + px, y + py], [0, 0]);
  return [sum[0] / points.length, sum[1] / points.length];
}

/** Stretches points along x and y. */
export function scaled(points: readonly Point[], [sx, sy]: Point): Point[] {
  return points.map(([x, y]): Point => [x * sx, y * sy]);
}

export function overlaps(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

export function frameOf(outline: readonly Point[]): Frame {
  const angle = longestEdge(outline);
  const turned = outline.map((point) => turn(point, -angle));
  const box = boundsOf(turned);
  const middle: Point = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
  return {
    centre: turn(middle, angle),
    angleDeg: (angle * 180) / Math.PI,
    length: box.right - box.left,
    breadth: box.bottom - box.top,
  };
}

export function pathOf(outline: readonly Point[]): string {
  return outline.map(([x, y]) => `${round(x)},${round(y)}`).join(" ");
}

function longestEdge(outline: readonly Point[]): number {
  let longest = 0;
  let angle = 0;
  outline.forEach(([x, y], i) => {
    const [nextX, nextY] = outline[(i + 1) % outline.length] ?? [x, y];
    const length = Math.hypot(nextX - x, nextY - y);
    if (length <= longest) return;
    longest = length;
    angle = Math.atan2(nextY - y, nextX - x);
  });
  return angle;
}

function turn([x, y]: Point, angle: number): Point {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [x * cos - y * sin, x * sin + y * cos];
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
