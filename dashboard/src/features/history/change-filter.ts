/** Which changes of the history are listed. Pure. */
import { duration } from "../../shared/format";
import { say } from "../../shared/language";
import { stateWord } from "../../shared/slot-states";
import { reasonWords } from "../../shared/slot-words";
import type { Table } from "./table";
import type { Cause, PastChange } from "./requests";
import { sortableTime } from "./times";

export interface ChangeFilter {
  slot: string;
  zone: string;
  cause: Cause | "";
}

export const ALL_CHANGES: ChangeFilter = { slot: "", zone: "", cause: "" };

export const CAUSES: readonly Cause[] = ["frame", "tick", "command", "gate", "device"];

export function causeWord(cause: Cause): string {
  return say(`cause.${cause}`);
}

const PAGE = 100;

/** The path of the first page. */
export function changesPath(
  siteId: string,
  { slot, zone, cause }: ChangeFilter,
  span: { from_ms: number; to_ms: number },
): string {
  const parameters = new URLSearchParams({
    site: siteId,
    from_ms: String(span.from_ms),
    to_ms: String(span.to_ms - 1),
    limit: String(PAGE),
    ...(slot && { slot }),
    ...(zone && { zone }),
    ...(cause && { cause }),
  });
  return `/api/history/changes?${parameters.toString()}`;
}

/** The reason. For a picture, it includes the camera. */
export function changeReason({ cause_kind, camera_id, reason }: PastChange): string {
  const device = camera_id?.split("/")[1];
  return cause_kind === "frame" && device ? `${reasonWords(reason)}: ${device}` : reasonWords(reason);
}

export function changesTable(changes: readonly PastChange[], time_zone: string): Table {
  return {
    columns: [
      say("csv.time", { zone: time_zone }),
      say("csv.space"),
      say("csv.zone"),
      say("csv.before"),
      say("csv.beforeFor"),
      say("csv.now"),
      say("csv.why"),
      say("csv.cause"),
    ],
    rows: changes.map((change) => [
      sortableTime(change.time_ms, time_zone),
      change.slot_id,
      change.zone_id,
      stateWord(change.from_state),
      change.dwell_ms === null ? null : duration(change.dwell_ms),
      stateWord(change.to_state),
      changeReason(change),
      causeWord(change.cause_kind),
    ]),
  };
}
