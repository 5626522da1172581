/** Imports drawings from files of this and other programs, and exports them. Pure. */
import type { LayoutPublished, LayoutSlot } from "../../shared/events";
import { drawingOf, isDrawing, isObject, layoutParts, type Drawing } from "./drawing";
import { isName, namesFrom, zoneOf } from "./names";
import { MIN_CORNERS, tidy, type Outline } from "./outlines";

const DAMAGED = "This layout is damaged.";

interface AnnotatedFrame {
  camera: string;
  width: number;
  height: number;
  slots: { id: string | number; polygon: [number, number][] }[];
}
interface CocoFile {
  images: { id: number; width: number; height: number }[];
  annotations: { image_id: number; category_id?: number; segmentation: unknown }[];
}

/** Reads the drawing in a layout, annotations.json or COCO file. Throws an Error that says what is wrong. */
export function imported(text: string): Drawing {
  const drawing = read(parsed(text));
  if (!isDrawing(drawing)) throw new Error(DAMAGED);
  return drawing;
}

/** Reads the drawing in any of the formats. Its values are not checked. */
function read(data: Readonly<Record<string, unknown>>): Drawing {
  if ("slots" in data) return fromLayout(data);
  if ("annotations" in data && "images" in data) return fromCoco(data as unknown as CocoFile);
  if ("frames" in data) return fromAnnotations((data as unknown as { frames: AnnotatedFrame[] }).frames);
  throw new Error(
    "Unknown file format: expected a layout (slots), annotations.json (frames) or COCO (images).",
  );
}

/** Writes a file that `parking layout publish` and this page accept. */
export function exported(drawing: Drawing, rest: object): string {
  return `${JSON.stringify({ ...rest, ...layoutParts(drawing) }, null, 2)}\n`;
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const data: unknown = JSON.parse(text);
    if (isObject(data)) return data;
  } catch {
    // Reported below.
  }
  throw new Error("This file is not JSON.");
}

/** The slots of a layout. Its zones may be missing: each zone is then named by its id. */
function fromLayout({ slots, zones = [] }: Readonly<Record<string, unknown>>): Drawing {
  if (!Array.isArray(slots) || !slots.every(isObject)) throw new Error(DAMAGED);
  return drawingOf({ slots, zones } as unknown as LayoutPublished);
}

/** The slots of the first frame; other frames belong to other cameras. */
function fromAnnotations(frames: readonly AnnotatedFrame[]): Drawing {
  const frame = frames[0];
  if (!frame) throw new Error("This file has no frames.");
  return drawn(
    frame.slots.map(({ id, polygon }) => [
      String(id),
      polygon.map(([x, y]) => tidy([x / frame.width, y / frame.height])),
    ]),
  );
}

/** The polygons of the first picture, with counted names, because COCO has none. */
function fromCoco({ images, annotations }: CocoFile): Drawing {
  const image = images[0];
  if (!image) throw new Error("This file has no pictures.");
  const outlines = annotations
    .filter((one) => one.image_id === image.id && Array.isArray(one.segmentation))
    .map((one) => pairs((one.segmentation as number[][])[0] ?? []))
    .map((corners) => corners.map(([x, y]) => tidy([x / image.width, y / image.height])));
  return drawn(outlines.map((outline) => ["", outline]));
}

function drawn(outlines: readonly (readonly [string, Outline])[]): Drawing {
  const taken = new Set<string>();
  const slots = outlines
    .filter(([, outline]) => outline.length >= MIN_CORNERS)
    .map(([name, outline]): LayoutSlot => {
      const [slot_id = "A01"] = namesFrom(isName(name) ? name : "A01", 1, taken);
      taken.add(slot_id);
      return { slot_id, zone_id: zoneOf(slot_id), polygon: outline.map(([x, y]) => [x, y]) };
    });
  if (!slots.length) throw new Error("This file has no outline with at least three corners.");
  return drawingOf({ slots, zones: [] });
}

function pairs(numbers: readonly number[]): [number, number][] {
  return Array.from({ length: Math.floor(numbers.length / 2) }, (_, i) => [
    numbers[2 * i] ?? 0,
    numbers[2 * i + 1] ?? 0,
  ]);
}
