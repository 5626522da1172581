import { memo, useState } from "react";

import { apiUrl } from "../../shared/api";
import { CardRow, Cell, RowHead } from "../../shared/card-table";
import { ago, duration, pace } from "../../shared/format";
import { number, say } from "../../shared/language";
import type { DeviceView } from "../../shared/views";
import { Access, type AccessCommands } from "./access";
import { signalWords } from "./device-commands";
import type { Problem } from "./diagnosis";
import { stateWords, type Row } from "./fleet";
import { problemEntry, problemWords } from "./problems";

interface Props {
  row: Row;
  now_ms: number;
  withReports: boolean;
  commands: AccessCommands;
}

/** How often the last picture of a sending camera is loaded again. */
const PICTURE_MS = 60_000;

export const FleetRow = memo(function FleetRow({ row, now_ms, withReports, commands }: Props) {
  const { id, name, camera, seen, problems, heard_ms } = row;
  const level = problems[0] ? problemEntry(problems[0].kind).level : "fine";
  return (
    <CardRow className={`fleet-${level}`}>
      <RowHead>
        {name}
        {name !== id.split("/")[1] && <span className="small muted fleet-id"> {id.split("/")[1]}</span>}
      </RowHead>
      <Cell label={say("column.state")}>
        <StateCell row={row} now_ms={now_ms} />
      </Cell>
      <Cell label={say("column.lastPicture")}>
        {camera && <LastPicture id={id} name={name} at_ms={seen?.last_frame_at_ms ?? null} />}
      </Cell>
      <Cell label={say("column.pace")}>{camera && paceWords(row)}</Cell>
      <Cell label={say("column.lastSeen")}>{heard_ms ? ago(now_ms - heard_ms) : say("never")}</Cell>
      {withReports && <ReportCells device={row.device} commands={commands} />}
    </CardRow>
  );
});

/** What the device itself reported, and its access. */
function ReportCells({ device, commands }: { device: DeviceView | null; commands: AccessCommands }) {
  const waiting = device?.gate_events_waiting;
  const dropped = device?.frames_dropped ?? null;
  return (
    <>
      <Cell label={say("column.signal")}>{signalWords(device?.rssi_dbm ?? null)}</Cell>
      <Cell label={say("column.firmware")}>{device?.firmware}</Cell>
      <Cell label={say("column.dropped")}>{dropped === null ? "" : number(dropped)}</Cell>
      <Cell label={say("column.gateEvents")}>{waiting ? say("fleet.waiting", { count: waiting }) : ""}</Cell>
      <Cell label={say("column.access")}>
        {device && (device.may_connect || device.may_post) && <Access device={device} {...commands} />}
      </Cell>
    </>
  );
}

function StateCell({ row, now_ms }: { row: Row; now_ms: number }) {
  const [first, ...others] = row.problems;
  return (
    <>
      <strong className="fleet-state">{stateWords(row)}</strong>
      {first && <span className="small"> {findingWords(first, now_ms)}</span>}
      {others.map((problem) => (
        <span key={problem.kind} className="small muted fleet-also">
          {problemWords("title", problem.kind)}: {findingWords(problem, now_ms)}
        </span>
      ))}
    </>
  );
}

/** "The camera does not respond in time, for 12 min". */
function findingWords({ words, since_ms, kind }: Problem, now_ms: number): string {
  const age = since_ms !== null && kind !== "stale" && kind !== "rate" && kind !== "replayed";
  return age ? `${words}, ${say("for", { age: duration(now_ms - since_ms) })}` : words;
}

/** The actual pace compared with the expected one. */
function paceWords({ camera, seen }: Row): string {
  const wanted = camera?.interval_ms;
  const real = camera?.status === "online" ? seen?.analysed_every_ms : null;
  if (!wanted) return "";
  if (!real) return say("fleet.wanted", { wanted: pace(wanted) });
  return say("fleet.pace", { pace: pace(Math.round(real / 100) * 100), wanted: pace(wanted) });
}

/** Loaded when it comes into view. */
function LastPicture({ id, name, at_ms }: { id: string; name: string; at_ms: number | null }) {
  const turn = Math.floor((at_ms ?? 0) / PICTURE_MS);
  const [failed, setFailed] = useState<number | null>(null);
  if (at_ms === null || failed === turn) return <span className="small muted">{say("picture.none")}</span>;
  return (
    <img
      className="fleet-picture"
      loading="lazy"
      width="112"
      height="63"
      src={apiUrl(`/api/cameras/${id}/latest.jpg?turn=${turn}`)}
      alt={say("fleet.picture", { name })}
      onError={() => {
        setFailed(turn);
      }}
    />
  );
}
