import { memo, useState } from "react";

import { apiUrl } from "../../shared/api";
import { CardRow, Cell, RowHead } from "../../shared/card-table";
import { ago, duration, pace } from "../../shared/format";
import type { DeviceView } from "../../shared/views";
import { Access, type AccessCommands } from "./access";
import { signalWords } from "./device-commands";
import type { Problem } from "./diagnosis";
import { stateWords, type Row } from "./fleet";
import { problemEntry } from "./problems";

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
      <Cell label="State">
        <StateCell row={row} now_ms={now_ms} />
      </Cell>
      <Cell label="Last picture">
        {camera && <LastPicture id={id} name={name} at_ms={seen?.last_frame_at_ms ?? null} />}
      </Cell>
      <Cell label="Pace">{camera && paceWords(row)}</Cell>
      <Cell label="Last seen">{heard_ms ? ago(now_ms - heard_ms) : "never"}</Cell>
      {withReports && <ReportCells device={row.device} commands={commands} />}
    </CardRow>
  );
});

/** What the device itself reported, and its access. */
function ReportCells({ device, commands }: { device: DeviceView | null; commands: AccessCommands }) {
  const waiting = device?.gate_events_waiting;
  return (
    <>
      <Cell label="Signal">{signalWords(device?.rssi_dbm ?? null)}</Cell>
      <Cell label="Firmware">{device?.firmware}</Cell>
      <Cell label="Dropped">{device?.frames_dropped}</Cell>
      <Cell label="Gate events">{waiting ? `${waiting} waiting` : ""}</Cell>
      <Cell label="Access">
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
          {problemEntry(problem.kind).title}: {findingWords(problem, now_ms)}
        </span>
      ))}
    </>
  );
}

/** "The camera does not answer in time, for 12 min". */
function findingWords({ words, since_ms, kind }: Problem, now_ms: number): string {
  const age = since_ms !== null && kind !== "stale" && kind !== "rate" && kind !== "replayed";
  return age ? `${words}, for ${duration(now_ms - since_ms)}` : words;
}

/** The real pace against the wanted one. */
function paceWords({ camera, seen }: Row): string {
  const wanted = camera?.interval_ms;
  const real = camera?.status === "online" ? seen?.analysed_every_ms : null;
  if (!wanted) return "";
  if (!real) return `wanted every ${pace(wanted)}`;
  return `every ${pace(Math.round(real / 100) * 100)}, wanted ${pace(wanted)}`;
}

/** Loaded when it comes into view. */
function LastPicture({ id, name, at_ms }: { id: string; name: string; at_ms: number | null }) {
  const turn = Math.floor((at_ms ?? 0) / PICTURE_MS);
  const [failed, setFailed] = useState<number | null>(null);
  if (at_ms === null || failed === turn) return <span className="small muted">no picture</span>;
  return (
    <img
      className="fleet-picture"
      loading="lazy"
      width="112"
      height="63"
      src={apiUrl(`/api/cameras/${id}/latest.jpg?turn=${turn}`)}
      alt={`${name}, as last seen`}
      onError={() => {
        setFailed(turn);
      }}
    />
  );
}
