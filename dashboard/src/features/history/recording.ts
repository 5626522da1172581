/** A recording of slot changes: read from the history, or from a replay's file. */
import { say } from "../../shared/language";
import type { SlotState } from "../../shared/views";
import { STATES } from "../../shared/slot-states";
import { dayOf } from "./days";
import { loadChanges } from "./requests";
import { dateOf } from "./times";

export interface RecordedChange {
  slot_id: string;
  time_ms: number;
  from_state: SlotState;
  to_state: SlotState;
  version: number;
}

export interface Recording {
  name: string;
  /** The start of its first local day. */
  from_ms: number;
  /** In the order of time. */
  changes: readonly RecordedChange[];
}

/** Something a user can mend; the message is shown. */
export class RecordingFault extends Error {}

const CHANGES_MAX = 50_000;
const PAGE = 1000;

/** What was recorded at a site on a local day. Raises ApiError, RecordingFault. */
export async function recordedDay(
  siteId: string,
  date: string,
  time_zone: string,
  signal: AbortSignal,
): Promise<Recording> {
  const { from_ms, to_ms } = dayOf(date, time_zone);
  const first = { site: siteId, from_ms: `${from_ms}`, to_ms: `${to_ms - 1}`, limit: `${PAGE}` };
  let path: string | null = `/api/history/changes?${new URLSearchParams(first).toString()}`;
  const changes: RecordedChange[] = [];
  while (path !== null) {
    const page = await loadChanges(path, signal);
    // A space that was removed does not become unknown.
    changes.push(...page.rows.filter(({ reason }) => reason !== "removed"));
    if (changes.length > CHANGES_MAX) {
      throw new RecordingFault(say("compare.tooMany", { count: CHANGES_MAX }));
    }
    path = page.next;
  }
  return { name: date, from_ms, changes: sorted(changes) };
}

/**
 * The changes of a site in `slot-changes.jsonl` of a replay, or in an archive's `parking.slot-changes.jsonl`.
 * Raises RecordingFault.
 */
export function recordingOf(name: string, text: string, siteId: string, time_zone: string): Recording {
  const changes = new Map<string, RecordedChange>();
  let others = 0;
  text.split("\n").forEach((line, index) => {
    if (!line.trim()) return;
    const change = changeOf(line);
    if (!change) throw new RecordingFault(say("compare.badLine", { file: name, line: index + 1 }));
    if (change.site_id !== siteId) others += 1;
    else if (change.reason !== "removed") changes.set(`${change.slot_id} ${change.version}`, change);
  });
  const inOrder = sorted([...changes.values()]);
  const first = inOrder[0];
  if (!first) {
    throw new RecordingFault(say(others > 0 ? "compare.otherSite" : "compare.emptyFile", { file: name }));
  }
  const from_ms = dayOf(dateOf(first.time_ms, time_zone), time_zone).from_ms;
  return { name, from_ms, changes: inOrder };
}

interface FileChange extends RecordedChange {
  site_id: string;
  reason: string;
}

function changeOf(line: string): FileChange | null {
  try {
    const read = JSON.parse(line) as { event?: unknown } | null;
    const change = (read?.event ?? read) as FileChange | null;
    const known = change && STATES.includes(change.to_state) && STATES.includes(change.from_state);
    const whole = known && Number.isFinite(change.time_ms) && Number.isFinite(change.version);
    return whole && typeof change.slot_id === "string" && typeof change.site_id === "string" ? change : null;
  } catch {
    return null;
  }
}

function sorted(changes: readonly RecordedChange[]): RecordedChange[] {
  return [...changes].sort((a, b) => a.time_ms - b.time_ms || a.version - b.version);
}
