import { countStates } from "../../shared/counts";
import { plural } from "../../shared/format";
import type { Site } from "../../shared/live-state";
import { STATE_WORDS, STATES } from "../../shared/slot-states";
import { StateMark } from "../../shared/state-mark";
import type { Counts } from "../../shared/views";
import { CountBar } from "./count-bar";
import { FreeCount } from "./free-count";
import "./summary.css";

export function SiteSummary({ site }: { site: Site }) {
  const slots = Object.values(site.slots);
  const counts = countStates(slots);
  const zones = site.zones
    .map((zone) => ({ ...zone, counts: countStates(slots.filter((s) => s.zone_id === zone.zone_id)) }))
    .filter((zone) => zone.counts.total > 0);
  return (
    <section className="summary" aria-labelledby="site-name">
      <div className="card summary-site" data-testid="site-counts">
        <h1 id="site-name">{site.name}</h1>
        <FreeCount counts={counts} />
        {counts.total > 0 && <CountBar counts={counts} />}
        {counts.total > 0 && <CountList counts={counts} />}
        {site.open_sessions > 0 && (
          <p className="muted summary-gates">
            {plural(site.open_sessions, "vehicle")} inside by the gates’ count
          </p>
        )}
      </div>
      {zones.length > 1 && (
        <ul className="zones" aria-label="Zones">
          {zones.map((zone) => (
            <li key={zone.zone_id} className="card zone" data-testid={`zone-${zone.zone_id}`}>
              <h2>{zone.name}</h2>
              <FreeCount counts={zone.counts} />
              <CountBar counts={zone.counts} />
              <CountList counts={zone.counts} short />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** Every state with its sign; the short form leaves out what is zero. */
function CountList({ counts, short = false }: { counts: Counts; short?: boolean }) {
  const shown = STATES.filter((state) => !short || (state !== "free" && counts[state] > 0));
  return (
    <ul className="count-list">
      {shown.map((state) => (
        <li key={state}>
          <StateMark state={state} />
          <span data-testid={state}>{counts[state]}</span> {STATE_WORDS[state]}
        </li>
      ))}
    </ul>
  );
}
