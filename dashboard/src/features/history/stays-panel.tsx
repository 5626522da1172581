import { duration } from "../../shared/format";
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
    ["stays ended", count.toLocaleString()],
    ["stays per space and day", perSlot === null ? "–" : perSlot.toLocaleString()],
    ["half leave within", p50_ms === null ? "–" : duration(p50_ms)],
    ["nine in ten leave within", p90_ms === null ? "–" : duration(p90_ms)],
  ];
  return (
    <DataPanel
      title="Stays in spaces"
      file={`${file}-stays`}
      table={usage.slots.length ? staysTable(usage, zones) : { columns: [], rows: [] }}
      picture="Numbers"
    >
      <dl className="history-facts">
        {facts.map(([words, value]) => (
          <div key={words}>
            <dt>{words}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <p className="muted small">
        Stays that ended in this period, counted from arrival. A stay goes on while its space is unknown.
      </p>
    </DataPanel>
  );
}
