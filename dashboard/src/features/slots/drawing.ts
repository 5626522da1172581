/** A camera's spaces as drawn, before they are published. Pure: every edit returns a new value. */
import type { LayoutPublished, LayoutSlot, Zone } from "../../shared/events";
import { KINDS } from "../../shared/kinds";
import type { Point, SlotKind } from "../../shared/views";
import { namesFrom, zoneOf } from "./names";
import { fittingStep, MIN_CORNERS, moveOutline, type Outline } from "./outlines";

/** `key` stays the same when the name changes. */
export interface DrawnSlot {
  readonly key: number;
  readonly slot_id: string;
  readonly zone_id: string;
  readonly kind: SlotKind;
  readonly enabled: boolean;
  readonly polygon: Outline;
  readonly plan: readonly Point[] | null;
}

export interface Drawing {
  readonly slots: readonly DrawnSlot[];
  readonly zones: readonly Zone[];
}

export type SlotPatch = Partial<Pick<DrawnSlot, "slot_id" | "zone_id" | "kind" | "enabled">>;
export type Keys = ReadonlySet<number>;

export const EMPTY: Drawing = { slots: [], zones: [] };
const PASTE_STEP: Point = [0.02, 0.02];

export function drawingOf(layout: Pick<LayoutPublished, "slots" | "zones">): Drawing {
  return { slots: layout.slots.map((slot, key) => drawnSlot(slot, key)), zones: layout.zones };
}

/** Whether a value from a file or from the browser's storage is a drawing. Names may still be wrong. */
export function isDrawing(value: unknown): value is Drawing {
  if (!isObject(value) || !Array.isArray(value.slots) || !Array.isArray(value.zones)) return false;
  return value.slots.every(isSlot) && value.zones.every(isZone);
}

/** The slots and zones of a layout: only zones with slots, in the order of their first slot. */
export function layoutParts({ slots, zones }: Drawing): Pick<LayoutPublished, "slots" | "zones"> {
  const names = new Map(zones.map((zone) => [zone.zone_id, zone.name]));
  const used = [...new Set(slots.map((slot) => slot.zone_id))];
  return {
    zones: used.map((zone_id) => ({ zone_id, name: names.get(zone_id) ?? zone_id })),
    slots: slots.map(layoutSlot),
  };
}

export function named({ slots }: Drawing): string[] {
  return slots.map((slot) => slot.slot_id);
}

export function ofKeys({ slots }: Drawing, keys: Keys): DrawnSlot[] {
  return slots.filter((slot) => keys.has(slot.key));
}

/** Adds outlines as new slots, with names counted up from `first`. */
export function addOutlines(drawing: Drawing, outlines: readonly Outline[], first: string): Drawing {
  const names = namesFrom(first, outlines.length, new Set(named(drawing)));
  return addNamed(
    drawing,
    outlines.map((polygon, i) => ({ slot_id: names[i] ?? first, polygon })),
  );
}

/** Adds new slots. A name that is taken is counted up. */
export function addNamed(
  drawing: Drawing,
  wanted: readonly Pick<DrawnSlot, "slot_id" | "polygon">[],
): Drawing {
  const start = nextKey(drawing);
  const taken = new Set(named(drawing));
  const added = wanted.map(({ slot_id: first, polygon }, i): DrawnSlot => {
    const [slot_id = first] = namesFrom(first, 1, taken);
    taken.add(slot_id);
    const zone_id = zoneOf(slot_id);
    return { key: start + i, slot_id, zone_id, kind: "standard", enabled: true, polygon, plan: null };
  });
  return { ...drawing, slots: [...drawing.slots, ...added] };
}

export function removeSlots(drawing: Drawing, keys: Keys): Drawing {
  const slots = drawing.slots.filter((slot) => !keys.has(slot.key));
  return slots.length === drawing.slots.length ? drawing : { ...drawing, slots };
}

/** Moves slots by the same step, shortened so that none leaves the picture. */
export function moveSlots(drawing: Drawing, keys: Keys, step: Point): Drawing {
  const corners = ofKeys(drawing, keys).flatMap((slot) => slot.polygon);
  const [dx, dy] = corners.length ? fittingStep(corners, step) : [0, 0];
  if (dx === 0 && dy === 0) return drawing;
  return mapSlots(drawing, keys, (slot) => ({ ...slot, polygon: moveOutline(slot.polygon, step, corners) }));
}

export function patchSlots(drawing: Drawing, keys: Keys, patch: SlotPatch): Drawing {
  return mapSlots(drawing, keys, (slot) => ({ ...slot, ...patch }));
}

export function setOutline(drawing: Drawing, key: number, polygon: Outline): Drawing {
  const before = drawing.slots.find((slot) => slot.key === key);
  if (!before || before.polygon === polygon) return drawing;
  return mapSlots(drawing, new Set([key]), (slot) => ({ ...slot, polygon }));
}

/** Adds copies next to the originals, with names that continue theirs. */
export function pasteSlots(drawing: Drawing, copied: readonly DrawnSlot[]): Drawing {
  const corners = copied.flatMap((slot) => slot.polygon);
  let key = nextKey(drawing);
  const taken = new Set(named(drawing));
  const added = copied.map((slot): DrawnSlot => {
    const [slot_id = slot.slot_id] = namesFrom(slot.slot_id, 1, taken);
    taken.add(slot_id);
    return {
      ...slot,
      key: key++,
      slot_id,
      plan: null,
      polygon: moveOutline(slot.polygon, PASTE_STEP, corners),
    };
  });
  return added.length ? { ...drawing, slots: [...drawing.slots, ...added] } : drawing;
}

export function nameZone(drawing: Drawing, zone_id: string, name: string): Drawing {
  const others = drawing.zones.filter((zone) => zone.zone_id !== zone_id);
  return { ...drawing, zones: [...others, { zone_id, name }] };
}

/** Names of the slots that differ between two drawings: in name, outline, zone, kind or use. */
export function differences(one: Drawing, other: Drawing): string[] {
  const here = new Map(one.slots.map((slot) => [slot.slot_id, JSON.stringify(layoutSlot(slot))]));
  const there = new Map(other.slots.map((slot) => [slot.slot_id, JSON.stringify(layoutSlot(slot))]));
  return [...new Set([...here.keys(), ...there.keys()])].filter((name) => here.get(name) !== there.get(name));
}

function mapSlots(drawing: Drawing, keys: Keys, change: (slot: DrawnSlot) => DrawnSlot): Drawing {
  return { ...drawing, slots: drawing.slots.map((slot) => (keys.has(slot.key) ? change(slot) : slot)) };
}

function nextKey({ slots }: Drawing): number {
  return slots.reduce((most, { key }) => Math.max(most, key + 1), 0);
}

function drawnSlot(slot: LayoutSlot, key: number): DrawnSlot {
  const { slot_id, zone_id, polygon, kind = "standard", enabled = true, plan = null } = slot;
  return { key, slot_id, zone_id, kind, enabled, polygon, plan };
}

function layoutSlot({ slot_id, zone_id, kind, enabled, polygon, plan }: DrawnSlot): LayoutSlot {
  const points = (outline: Outline) => outline.map(([x, y]): [number, number] => [x, y]);
  return { slot_id, zone_id, kind, enabled, polygon: points(polygon), plan: plan && points(plan) };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isSlot(value: unknown): value is DrawnSlot {
  if (!isObject(value)) return false;
  const { key, slot_id, zone_id, kind, enabled, polygon, plan } = value;
  return (
    Number.isInteger(key) &&
    typeof slot_id === "string" &&
    typeof zone_id === "string" &&
    KINDS.some((known) => known === kind) &&
    typeof enabled === "boolean" &&
    isOutline(polygon) &&
    (plan === null || isOutline(plan))
  );
}

function isOutline(value: unknown): value is Outline {
  return Array.isArray(value) && value.length >= MIN_CORNERS && value.every(isPoint);
}

function isPoint(value: unknown): value is Point {
  return Array.isArray(value) && value.length === 2 && value.every(Number.isFinite);
}

function isZone(value: unknown): value is Zone {
  return isObject(value) && typeof value.zone_id === "string" && typeof value.name === "string";
}
