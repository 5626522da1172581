import { useMemo, useState, type ReactNode } from "react";

import { CsvButton } from "../../shared/csv-button";
import { ago } from "../../shared/format";
import { say } from "../../shared/language";
import { useSite } from "../../shared/use-live";
import { useNow, useNowInSteps } from "../../shared/use-now";
import { CountCard } from "./count-card";
import { DriftList, EndedTable } from "./ended-table";
import { InsideTable } from "./inside-table";
import { PlateSearch } from "./plate-search";
import { endedStays, insideFirst, staysCsv, type Stay } from "./stays";
import { useStays } from "./use-stays";
import "./stays.css";

const ENDED = 100;
const ENDED_MOST = 1_000;
/** Dwell times advance in steps, so that long tables rarely render. */
const STEP_MS = 10_000;

/** Shows the vehicles inside, recently ended stays with their reasons, and whether the gates' count
 * can be right. */
export function StaysPage({ siteId }: { siteId: string }) {
  const site = useSite(siteId);
  const step_ms = useNowInSteps(STEP_MS);
  const [endedLimit, setEndedLimit] = useState(ENDED);
  const { stays, fault } = useStays(siteId, site?.open_sessions ?? 0, endedLimit);
  const ended = useMemo(() => endedStays(stays?.ended ?? []), [stays]);
  const inside = useMemo(() => insideFirst(stays?.inside ?? []), [stays]);
  if (!site) return null;
  return (
    <div className="stays">
      <h1>{say("stays.at", { site: site.name })}</h1>
      <CountCard site={site} />
      {fault && (
        <p className="fault" role="alert">
          {say("stays.failed", { fault })}
        </p>
      )}
      {!stays && !fault && <p className="muted">{say("stays.loading")}</p>}
      {stays && (
        <>
          <Section
            id="inside"
            title={say("inside.title", { number: inside.length })}
            rows={inside}
            at_ms={stays.at_ms}
          >
            <ReadAge at_ms={stays.at_ms} />
            <InsideTable stays={inside} now_ms={Math.max(step_ms, stays.at_ms)} />
          </Section>
          <PlateSearch siteId={siteId} />
          <Section id="drift" title={say("drift.title")} rows={stays.drift} at_ms={stays.at_ms}>
            <DriftList reports={stays.drift} now_ms={stays.at_ms} />
          </Section>
          <Section id="ended" title={say("ended.title")} rows={ended} at_ms={stays.at_ms}>
            <EndedTable stays={ended} now_ms={stays.at_ms} />
            {stays.ended.length >= endedLimit && endedLimit < ENDED_MOST && (
              <button
                type="button"
                className="button button-small"
                onClick={() => {
                  setEndedLimit(ENDED_MOST);
                }}
              >
                {say("ended.older")}
              </button>
            )}
          </Section>
        </>
      )}
    </div>
  );
}

function ReadAge({ at_ms }: { at_ms: number }) {
  return <p className="small muted">{say("stays.read", { ago: ago(useNow() - at_ms) })}</p>;
}

interface SectionProps {
  id: string;
  title: string;
  rows: readonly Stay[];
  at_ms: number;
  children: ReactNode;
}

/** A card whose table can be saved as a file. */
function Section({ id, title, rows, at_ms, children }: SectionProps) {
  return (
    <section className="card" aria-labelledby={`${id}-title`} data-testid={`stays-${id}`}>
      <div className="card-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {rows.length > 0 && <CsvButton of={title} file={`stays-${id}`} csv={() => staysCsv(rows, at_ms)} />}
      </div>
      {children}
    </section>
  );
}
