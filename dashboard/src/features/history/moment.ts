/** A lot at one moment of the past. Pure, except for the request. */
import { getJson } from "../../shared/api";
import { small } from "../../shared/format";
import { say } from "../../shared/language";
import type { Site } from "../../shared/live";
import { stateWord, STATES } from "../../shared/slot-states";
import { reasonWords } from "../../shared/slot-words";
import type { SlotKind, SlotState } from "../../shared/views";
import type { Table } from "./table";
import { sortableTime } from "./times";

interface SlotMoment {
  slot_id: string;
  zone_id: string;
  kind: SlotKind;
  state: SlotState;
  since_ms: number;
  reason: string;
}

export interface CameraMoment {
  camera_id: string;
  time_ms: number;
  url: string;
}

export interface Moment {
  time_ms: number;
  previous_ms: number | null;
  next_ms: number | null;
  slots: readonly SlotMoment[];
  pictures: readonly CameraMoment[];
}

/** `key`: the site and the time, as a query. */
export async function loadMoment(key: string, signal: AbortSignal): Promise<Moment> {
  return getJson<Moment>(`/api/history/moment?${key}`, { signal });
}

/** The site as it is drawn now, with the states of the moment. A space without a report yet is unknown. */
export function siteAt(site: Site, { slots }: Moment): Site {
  const states = new Map(slots.map((slot) => [slot.slot_id, slot]));
  const entries = Object.entries(site.slots).map(([id, slot]) => {
    const { state = "unknown", since_ms = null, reason = "no-evidence" } = states.get(id) ?? {};
    const past = { state, reason, changed_at_ms: since_ms, issued_by: null, straddling: [] };
    return [id, { ...slot, ...past }] as const;
  });
  return { ...site, slots: Object.fromEntries(entries) };
}

/** "12 free, 18 occupied" */
export function countWords({ slots }: Moment): string {
  return STATES.flatMap((state) => {
    const count = slots.filter((slot) => slot.state === state).length;
    return count > 0 ? [`${count} ${small(stateWord(state))}`] : [];
  }).join(", ");
}

export function momentTable({ slots }: Moment, zones: ReadonlyMap<string, string>, time_zone: string): Table {
  return {
    columns: [
      say("csv.space"),
      say("csv.zone"),
      say("csv.state"),
      say("csv.sinceLocal", { zone: time_zone }),
      say("csv.why"),
    ],
    rows: slots.map((slot) => [
      slot.slot_id,
      zones.get(slot.zone_id) ?? slot.zone_id,
      stateWord(slot.state),
      sortableTime(slot.since_ms, time_zone),
      reasonWords(slot.reason),
    ]),
  };
}
