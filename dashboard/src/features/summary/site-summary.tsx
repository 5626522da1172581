import { apiUrl } from "../../shared/api";
import { allClosed, commonReason, countStates, nothingKnown } from "../../shared/counts";
import { ago, small } from "../../shared/format";
import { gateCountWords } from "../../shared/gate-count";
import { number, say } from "../../shared/language";
import type { Site } from "../../shared/live";
import { stateWord, STATES } from "../../shared/slot-states";
import { StateMark } from "../../shared/state-mark";
import { reasonWords } from "../../shared/slot-words";
import { useNow } from "../../shared/use-now";
import { useTitle } from "../../shared/use-title";
import type { Counts, SlotView } from "../../shared/views";
import { CountBar } from "./count-bar";
import { FreeCount } from "./free-count";
import "./summary.css";

export function SiteSummary({ site }: { site: Site }) {
  const slots = Object.values(site.slots);
  const counts = countStates(slots);
  const zones = site.zones
    .map((zone) => ({ ...zone, counts: countStates(slots.filter((s) => s.zone_id === zone.zone_id)) }))
    .filter((zone) => zone.counts.total > 0);
  const why = useWhyUnknown(slots);
  useTitle(`${titleCount(counts)} – ${site.name}`);
  return (
    <section className="summary" aria-labelledby="site-name">
      <div className="card summary-site" data-testid="site-counts">
        <h1 id="site-name">{site.name}</h1>
        <FreeCount counts={counts} why={why} />
        {counts.total > 0 && <CountBar counts={counts} />}
        {counts.total > 0 && <CountList counts={counts} />}
        {site.open_sessions > 0 && (
          <p className="muted summary-gates">
            {say("summary.inside", { count: site.open_sessions })}{" "}
            {gateCountWords(site.open_sessions, counts)}
          </p>
        )}
        {site.public && (
          <p>
            <a href={apiUrl(`/p/${site.site_id}`)}>{say("summary.driverView")}</a>
          </p>
        )}
      </div>
      {zones.length > 1 && (
        <ul className="zones" aria-label={say("zones")}>
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

/** The free count for the title of the browser's tab. */
export function titleCount(counts: Counts): string {
  if (allClosed(counts)) return say("title.closed");
  if (counts.total === 0 || nothingKnown(counts)) return say("free.unknown");
  return say("title.free", { free: counts.free });
}

/** Why the count is unknown: the most common reason, and the age of the newest evidence. */
function useWhyUnknown(slots: readonly SlotView[]): string {
  const now = useNow();
  const seen_ms = Math.max(0, ...slots.map((slot) => slot.observed_at_ms ?? 0));
  const words = [
    small(reasonWords(commonReason(slots))),
    seen_ms ? say("lastSeen", { ago: ago(now - seen_ms) }) : "",
  ];
  return words.filter(Boolean).join(", ");
}

/** Every state with its sign; the short form omits free and zero counts. */
function CountList({ counts, short = false }: { counts: Counts; short?: boolean }) {
  const shown = STATES.filter((state) => !short || (state !== "free" && counts[state] > 0));
  return (
    <ul className="count-list">
      {shown.map((state) => (
        <li key={state}>
          <StateMark state={state} />
          <span data-testid={state}>{number(counts[state])}</span> {stateWord(state)}
        </li>
      ))}
    </ul>
  );
}
