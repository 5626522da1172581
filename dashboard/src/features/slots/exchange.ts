/** Drawings in files of this and other programs. The server converts them; `parking layout convert` uses the
 * same code. */
import { sendFile, sendForBlob, type ApiError } from "../../shared/api";
import { withKey } from "../../shared/api-key";
import type { LayoutPublished } from "../../shared/events";
import { say } from "../../shared/language";
import { drawingOf, layoutParts, type Drawing } from "./drawing";
import { spaces } from "./editor-words";
import type { Size } from "./outlines";

/** The formats of other programs, with the ending of a file's name. */
export const FORMATS = [
  ["layout", "Layout (Smart Parking JSON)", ".layout.json"],
  ["coco", "COCO", ".coco.json"],
  ["cvat", "CVAT", ".cvat.xml"],
  ["via", "VIA (JSON)", ".via.json"],
  ["via-csv", "VIA (CSV)", ".via.csv"],
  ["pklot", "PKLot", ".pklot.xml"],
  ["geojson", "GeoJSON", ".geojson"],
] as const;

/** The formats with their names in the page's language. */
export function formatChoices() {
  return FORMATS.map(([one, title]) => [one, one === "layout" ? say("file.layout") : title] as const);
}
export type Format = (typeof FORMATS)[number][0];

/** The slots of one picture of a file, as the server read them. */
export interface SlotFile extends Size, Pick<LayoutPublished, "slots" | "zones"> {
  picture: string;
  /** The names of all pictures in the file that have slots. */
  pictures: readonly string[];
  /** What was left out, one line for each item. */
  notes: readonly string[];
}

/** The camera, and the size of its picture. */
export interface Place {
  cameraId: string;
  size: Size;
}

/** More than this difference between two aspect ratios is a different picture. */
const OTHER_SHAPE = 0.02;

/** Reads a file. `picture` is the one to read from it, or null for the first. */
export async function readSlotFile(
  { cameraId, size }: Place,
  file: Blob,
  picture: string | null,
): Promise<SlotFile | ApiError> {
  const query = sizeQuery(size);
  if (picture !== null) query.set("picture", picture);
  return answered((key) => sendFile<SlotFile>(`${path(cameraId)}?${query}`, file, key));
}

/** Writes a drawing in the format of another program. */
export async function writeSlotFile(
  { cameraId, size }: Place,
  drawing: Drawing,
  format: Exclude<Format, "layout">,
): Promise<Blob | ApiError> {
  const address = `${path(cameraId)}/${format}?${sizeQuery(size)}`;
  return answered((key) => sendForBlob(address, layoutParts(drawing), key));
}

export function drawingIn(file: SlotFile): Drawing {
  return drawingOf(file);
}

/** Writes a layout file, which `parking layout publish` and this page accept. */
export function exported(drawing: Drawing, rest: object): string {
  return `${JSON.stringify({ ...rest, ...layoutParts(drawing) }, null, 2)}\n`;
}

/** What was imported, for the status line. */
export function importWords(file: SlotFile, name: string): string {
  const from = file.pictures.length > 1 ? say("file.in", { picture: file.picture, file: name }) : name;
  return say("file.imported", { what: spaces(file.slots.length), from });
}

/** What to check after an import: what was left out, and a picture of another shape. */
export function importNotes(file: SlotFile, size: Size): string[] {
  const shape = (one: Size) => one.width / one.height;
  const differs = file.width > 0 && Math.abs(shape(file) / shape(size) - 1) > OTHER_SHAPE;
  const sizes = { theirs: `${file.width}x${file.height}`, ours: `${size.width}x${size.height}` };
  const words = say("file.otherShape", sizes);
  return [...(differs ? [words] : []), ...file.notes];
}

function path(cameraId: string): string {
  return `/api/cameras/${cameraId}/slot-file`;
}

function sizeQuery({ width, height }: Size): URLSearchParams {
  return new URLSearchParams({ width: String(width), height: String(height) });
}

async function answered<T>(ask: (key: string) => Promise<T>): Promise<T | ApiError> {
  const found: T[] = [];
  const error = await withKey(async (key) => {
    found.push(await ask(key));
  });
  return error ?? (found[0] as T);
}
