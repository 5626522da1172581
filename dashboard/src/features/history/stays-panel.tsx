import { duration } from "../../shared/format";
import { number, say } from "../../shared/language";
import { DataPanel } from "./data-panel";
import type { Usage } from "./requests";
import { staysTable, turnover } from "./summaries";

interface Props {
  usage: Usage;
  zones: ReadonlyMap<string, string>;
  file: string;
}

/** How often spaces were taken, and for how long. */
export function StaysPanel({ usage, zones, file }: Props) {
  const { count, p50_ms, p90_ms } = usage.stays;
  const perSlot = turnover(usage.stays, usage.slots.length, usage);
  const facts: [string, string][] = [
    [say("stays.ended"), number(count)],
    [say("stays.perDay"), perSlot === null ? "–" : number(perSlot)],
    [say("stays.half"), p50_ms === null ? "–" : duration(p50_ms)],
    [say("stays.ninety"), p90_ms === null ? "–" : duration(p90_ms)],
  ];
  return (
    <DataPanel
      title={say("stays.title")}
      file={`${file}-stays`}
      table={usage.slots.length ? staysTable(usage, zones) : { columns: [], rows: [] }}
      picture={say("numbers")}
    >
      <dl className="history-facts">
        {facts.map(([words, value]) => (
          <div key={words}>
            <dt>{words}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <p className="muted small">{say("stays.what")}</p>
    </DataPanel>
  );
}
