import { useId, useState, type SyntheticEvent } from "react";

import { ApiError } from "../../shared/api";
import { Fault } from "../../shared/fault";
import { say } from "../../shared/language";
import { compare, NEAR_MS, type Comparison } from "./compare";
import { CompareResult } from "./compare-result";
import { recordedDay, RecordingFault, recordingOf, type Recording } from "./recording";
import type { OwnRange } from "./range";
import { SideFields, type Side } from "./side-fields";

interface Props {
  siteId: string;
  time_zone: string;
  days: OwnRange;
}

const SAME_S = [0, 1, 5, 60, 300];

/** Two recordings side by side: days of this lot, or files of replays. */
export function ComparePanel({ siteId, time_zone, days }: Props) {
  const id = useId();
  const [a, setA] = useState<Side>({ kind: "day", date: days.from, file: null });
  const [b, setB] = useState<Side>({ kind: "day", date: days.to, file: null });
  const [same_s, setSame] = useState(5);
  const [read, setRead] = useState<readonly [Recording, Recording] | null>(null);
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState("");

  async function run(): Promise<void> {
    setBusy(true);
    setFault("");
    try {
      setRead([await open(a, siteId, time_zone), await open(b, siteId, time_zone)]);
    } catch (error) {
      setRead(null);
      const known = error instanceof ApiError || error instanceof RecordingFault;
      setFault(known ? error.message : say("api.unreadable"));
    } finally {
      setBusy(false);
    }
  }
  function send(event: SyntheticEvent): void {
    event.preventDefault();
    if (!busy) void run();
  }
  const result: Comparison | null = read && compare(...read, same_s * 1000);
  return (
    <section className="card history-panel" aria-labelledby={id}>
      <div className="card-head">
        <h2 id={id}>{say("compare.title")}</h2>
      </div>
      <p className="muted">{say("compare.what", { minutes: NEAR_MS / 60_000 })}</p>
      <form className="history-compare" onSubmit={send}>
        <SideFields name="A" side={a} onChange={setA} />
        <SideFields name="B" side={b} onChange={setB} />
        <label className="field">
          {say("compare.same.within")}
          <select
            value={same_s}
            onChange={(event) => {
              setSame(Number(event.target.value));
            }}
          >
            {SAME_S.map((seconds) => (
              <option key={seconds} value={seconds}>
                {seconds < 60 ? say("time.s", { s: seconds }) : say("time.min", { min: seconds / 60 })}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" className="button button-primary" aria-disabled={busy}>
          {say(busy ? "loading" : "compare.do")}
        </button>
      </form>
      <Fault words={fault} />
      {read && result && (
        <CompareResult
          key={`${read[0].name} ${read[1].name}`}
          result={result}
          names={[read[0].name, read[1].name]}
          file={`${siteId}-comparison`}
          time_zone={time_zone}
        />
      )}
    </section>
  );
}

async function open(side: Side, siteId: string, time_zone: string): Promise<Recording> {
  if (side.kind === "day") return recordedDay(siteId, side.date, time_zone, new AbortController().signal);
  if (!side.file) throw new RecordingFault(say("compare.noFile"));
  return recordingOf(side.file.name, await side.file.text(), siteId, time_zone);
}
