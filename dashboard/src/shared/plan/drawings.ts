/** Turns a site's slots and cameras into drawings. Pure: what it keeps only saves work. */
import { boundsOf, frameOf, middleOf, overlaps, scaled, type Box, type Frame } from "../geometry";
import { say } from "../language";
import type { Site } from "../live";
import type { CameraView, Point, SlotView } from "../views";

export interface Shape {
  slot: SlotView;
  outline: readonly Point[];
  frame: Frame;
}

export interface ZoneLabel {
  zone_id: string;
  name: string;
  at: Point;
}

export interface Drawing {
  key: string;
  /** The title of a camera's drawing; null for the plan of the lot. */
  title: string | null;
  box: Box;
  shapes: readonly Shape[];
  labels: readonly ZoneLabel[];
  /** Units of the drawing per metre; null for a camera's view. */
  metre: number | null;
}

/** Units per metre. Browsers render text below one unit badly. */
const METRE = 20;
/** A plan has x to the east and y to the north, so north is up on the page. */
const PLAN: Point = [METRE, -METRE];
const PICTURE: Point = [1600, 900];
const LABEL = 20;

/** One drawing of all slots with a place on the plan; for the others, one drawing per camera. */
export function drawingsOf(site: Site, cameras: readonly CameraView[]): Drawing[] {
  const slots = Object.values(site.slots);
  const planned = slots.filter((slot) => slot.plan !== null);
  const plan = planned.map((slot) => shapeOf(slot, slot.plan ?? [], (outline) => scaled(outline, PLAN)));
  const rest = cameras.map((camera) => schematic(site, camera));
  return [
    ...(plan.length > 0 ? [drawing("plan", null, plan, site, METRE)] : []),
    ...rest.filter((each) => each.shapes.length > 0),
  ];
}

function schematic(site: Site, camera: CameraView): Drawing {
  const shapes = camera.slots.flatMap(({ slot_id, polygon }) => {
    const slot = site.slots[slot_id];
    return slot?.plan === null ? [shapeOf(slot, polygon, (outline) => shrunk(scaled(outline, PICTURE)))] : [];
  });
  return drawing(camera.camera_id, say("plan.view", { camera: camera.name }), shapes, site, null);
}

function drawing(
  key: string,
  title: string | null,
  shapes: Shape[],
  site: Site,
  metre: number | null,
): Drawing {
  const sorted = inReadingOrder(shapes);
  const labels = metre === null ? [] : zoneLabels(site, shapes);
  const tops = labels.map(({ at: [x, y] }): Point => [x, y - LABEL]);
  const box = boundsOf([...shapes.flatMap((shape) => shape.outline), ...tops]);
  const margin = METRE;
  return {
    key,
    title,
    shapes: sorted,
    labels,
    metre,
    box: {
      left: box.left - margin,
      top: box.top - margin,
      right: box.right + margin,
      bottom: box.bottom + margin + (metre === null ? 0 : LABEL),
    },
  };
}

/** Each slot's last shape, by the points that it was drawn from. */
const drawn = new WeakMap<readonly Point[], Shape>();

/** A slot that did not change keeps its shape's identity, so that it is not rendered again. */
function shapeOf(
  slot: SlotView,
  points: readonly Point[],
  place: (points: readonly Point[]) => readonly Point[],
): Shape {
  const last = drawn.get(points);
  if (last?.slot === slot) return last;
  const outline = last?.outline ?? place(points);
  const shape = { slot, outline, frame: last?.frame ?? frameOf(outline) };
  drawn.set(points, shape);
  return shape;
}

/** Shrinks an outline a little, because slots would overlap in a slanted view. */
function shrunk(outline: readonly Point[]): Point[] {
  const [x, y] = middleOf(outline);
  return outline.map(([px, py]): Point => [x + (px - x) * 0.86, y + (py - y) * 0.86]);
}

/** Places a zone's name above its slots or, without room there, below them. Omits it if it would
 * hide a slot. */
function zoneLabels(site: Site, shapes: readonly Shape[]): ZoneLabel[] {
  if (site.zones.length < 2) return [];
  const boxes = shapes.map((shape) => boundsOf(shape.outline));
  return site.zones.flatMap(({ zone_id, name }) => {
    const own = shapes.filter((shape) => shape.slot.zone_id === zone_id);
    if (own.length === 0) return [];
    const box = boundsOf(own.flatMap((shape) => shape.outline));
    const width = name.length * LABEL * 0.6;
    const free = [box.top - 8, box.bottom + LABEL + 4].find((baseline) => {
      const text = { left: box.left, right: box.left + width, top: baseline - LABEL, bottom: baseline };
      return !boxes.some((other) => overlaps(other, text));
    });
    return free === undefined ? [] : [{ zone_id, name, at: [box.left, free] as const }];
  });
}

/** Sorts by rows from the top, each from the left. A row is half a slot high. */
function inReadingOrder(shapes: readonly Shape[]): Shape[] {
  const first = shapes[0];
  if (!first) return [];
  const heights = shapes.map((shape) => {
    const box = boundsOf(shape.outline);
    return box.bottom - box.top;
  });
  const row = Math.max(1, heights.sort((a, b) => a - b)[heights.length >> 1] ?? 1) / 2;
  const rowOf = (shape: Shape) => Math.round(shape.frame.centre[1] / row);
  return [...shapes].sort((a, b) => rowOf(a) - rowOf(b) || a.frame.centre[0] - b.frame.centre[0]);
}
