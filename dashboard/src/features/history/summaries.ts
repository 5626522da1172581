/** Sums and tables from the answers of the API. Pure. */
import { kindWord } from "../../shared/kinds";
import { compareNames, currentLocale, say } from "../../shared/language";
import { stateWord, STATES } from "../../shared/slot-states";
import type { SlotKind, SlotState } from "../../shared/views";
import type { Table } from "./table";
import type { HourUsage, Occupancy, OccupancySeries, SlotUsage, Stays, Usage } from "./requests";
import { sortableTime } from "./times";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** A Monday. */
const MONDAY_MS = Date.UTC(2024, 0, 1);

export const GROUPINGS = ["state", "zone", "kind"] as const;
export type Grouping = (typeof GROUPINGS)[number];

export interface Line {
  label: string;
  /** One value for each start of a bucket; null where nothing is known. */
  values: (number | null)[];
}

type Names = ReadonlyMap<string, string>;

/** The number of slots in each state, or the occupied share (percent) of each zone or kind. */
export function linesOf({ series, starts_ms }: Occupancy, by: Grouping, zones: Names): Line[] {
  if (by === "state") {
    return STATES.map((state) => ({
      state,
      label: stateWord(state),
      values: starts_ms.map((_, at) => round(sum(series, state, at), 2)),
    }))
      .filter(({ state, values }) => state === "occupied" || state === "free" || values.some(Boolean))
      .map(({ label, values }) => ({ label, values }));
  }
  const groups = new Map<string, { label: string; members: OccupancySeries[] }>();
  for (const each of series) {
    const key = by === "zone" ? each.zone_id : each.kind;
    const label = by === "zone" ? (zones.get(each.zone_id) ?? each.zone_id) : kindWord(each.kind);
    groups.set(key, { label, members: [...(groups.get(key)?.members ?? []), each] });
  }
  return [...groups.values()].map(({ label, members }) => ({
    label,
    values: starts_ms.map((_, at) => share(sum(members, "occupied", at), sum(members, "free", at))),
  }));
}

function sum(series: readonly OccupancySeries[], state: SlotState, at: number): number {
  return series.reduce((total, each) => total + (each[state][at] ?? 0), 0);
}

/** Percent of the known time; null if none is known. */
function share(occupied: number, free: number): number | null {
  return occupied + free > 0 ? round((100 * occupied) / (occupied + free), 1) : null;
}

export function lineTable({ starts_ms, time_zone }: Occupancy, lines: readonly Line[]): Table {
  return {
    columns: [say("csv.time", { zone: time_zone }), ...lines.map(({ label }) => label)],
    rows: starts_ms.map((start_ms, at) => [
      sortableTime(start_ms, time_zone).slice(0, 16),
      ...lines.map(({ values }) => values[at] ?? null),
    ]),
  };
}

/** Stays for each slot and day; null without slots. */
export function turnover(stays: Stays, slots: number, { from_ms, to_ms }: Usage): number | null {
  const days = (to_ms - from_ms) / DAY_MS;
  return slots > 0 && days > 0 ? round(stays.count / slots / days, 2) : null;
}

export function staysTable(usage: Usage, zones: Names): Table {
  const groups = [
    ...usage.zones.map((zone) => ({ ...zone, name: zones.get(zone.zone_id) ?? zone.zone_id })),
    { name: say("wholeLot"), slots: usage.slots.length, stays: usage.stays },
  ];
  return {
    columns: [
      say("csv.zone"),
      say("csv.spaces"),
      say("csv.stays"),
      say("stays.perDay"),
      say("csv.half"),
      say("csv.ninety"),
    ],
    rows: groups.map(({ name, slots, stays }) => [
      name,
      slots,
      stays.count,
      turnover(stays, slots, usage),
      minutes(stays.p50_ms),
      minutes(stays.p90_ms),
    ]),
  };
}

/** Occupied percent by hour (rows) and weekday (columns); only weekdays in the range. */
export function hoursTable(hours: readonly HourUsage[]): Table {
  const days = [...new Set(hours.map(({ weekday }) => weekday))].sort((a, b) => a - b);
  const shares = new Map(hours.map((each) => [`${each.weekday} ${each.hour}`, each.occupied_share]));
  return {
    columns: [say("csv.hour"), ...days.map(weekdayName)],
    rows: Array.from({ length: 24 }, (_, hour) => [
      `${String(hour).padStart(2, "0")}:00`,
      ...days.map((day) => {
        const value = shares.get(`${day} ${hour}`) ?? null;
        return value === null ? null : round(100 * value, 0);
      }),
    ]),
  };
}

/** "Mon"; 0 is Monday. */
export function weekdayName(weekday: number): string {
  const name = new Intl.DateTimeFormat(currentLocale(), { weekday: "short", timeZone: "UTC" });
  return name.format(MONDAY_MS + weekday * DAY_MS);
}

/** The busiest hour of the range; null if nothing is known. */
export function busiest(hours: readonly HourUsage[]): HourUsage | null {
  return hours.reduce<HourUsage | null>(
    (best, each) => ((each.occupied_share ?? -1) > (best?.occupied_share ?? -1) ? each : best),
    null,
  );
}

interface UsedSlot {
  slot_id: string;
  zone: string;
  kind: SlotKind;
  /** Percent of the known time; null if none is known. */
  occupied: number | null;
  /** Percent of the whole time. */
  unknown: number;
  stays: Stays;
}

/** The most occupied first; slots of which nothing is known last. */
export function usedSlots(slots: readonly SlotUsage[], zones: Names): UsedSlot[] {
  return slots
    .map((slot) => {
      const whole_ms = slot.free_ms + slot.occupied_ms + slot.unknown_ms + slot.closed_ms;
      return {
        slot_id: slot.slot_id,
        zone: zones.get(slot.zone_id) ?? slot.zone_id,
        kind: slot.kind,
        occupied: share(slot.occupied_ms, slot.free_ms),
        unknown: whole_ms > 0 ? round((100 * slot.unknown_ms) / whole_ms, 1) : 0,
        stays: slot.stays,
      };
    })
    .sort((a, b) => (b.occupied ?? -1) - (a.occupied ?? -1) || compareNames(a.slot_id, b.slot_id));
}

export function slotsTable(slots: readonly UsedSlot[]): Table {
  return {
    columns: [
      say("csv.space"),
      say("csv.zone"),
      say("csv.kind"),
      say("csv.occupied"),
      say("csv.unknown"),
      say("csv.stays"),
      say("csv.half"),
      say("csv.ninety"),
    ],
    rows: slots.map((slot) => [
      slot.slot_id,
      slot.zone,
      kindWord(slot.kind),
      slot.occupied,
      slot.unknown,
      slot.stays.count,
      minutes(slot.stays.p50_ms),
      minutes(slot.stays.p90_ms),
    ]),
  };
}

function minutes(time_ms: number | null): number | null {
  return time_ms === null ? null : round(time_ms / MINUTE_MS, 1);
}

function round(value: number, digits: number): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}
