import { memo, useMemo, useRef, useState } from "react";

import { say } from "../../shared/language";
import type { Site } from "../../shared/live";
import { pageAddress } from "../../shared/routes";
import { useCameras, useSite } from "../../shared/use-live";
import { useRequest, type Answer } from "../../shared/use-request";
import { ALL_CHANGES, type ChangeFilter } from "./change-filter";
import { ChangesPanel } from "./changes-panel";
import { ComparePanel } from "./compare-panel";
import { daysOf } from "./days";
import { HoursPanel } from "./hours-panel";
import { MomentPanel, type Drawn } from "./moment-panel";
import { OccupancyPanel } from "./occupancy-panel";
import { parametersOf, queryOf, rangeOf } from "./range";
import { RangeChooser } from "./range-chooser";
import { loadPast, type Past } from "./requests";
import { SlotsPanel } from "./slots-panel";
import { StaysPanel } from "./stays-panel";
import { dayAndTime } from "./times";
import "./history.css";

interface Props {
  siteId: string;
  /** The range of time, as range.ts reads it. */
  query: string;
}

/** What happened at a lot in a chosen time. */
export function HistoryPage({ siteId, query }: Props) {
  const site = useSite(siteId);
  return site ? <SiteHistory key={siteId} site={site} query={query} /> : null;
}

export function SiteHistory({ site, query }: { site: Site; query: string }) {
  const siteId = site.site_id;
  const cameras = useCameras(siteId);
  const [drawn] = useState<Drawn>({ site, cameras });
  const range = useMemo(() => rangeOf(query), [query]);
  const parameters = new URLSearchParams({
    site: siteId,
    ...parametersOf(range),
    time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  }).toString();
  const { answer, again } = useRequest(parameters, loadPast);
  const [filter, setFilter] = useState(ALL_CHANGES);
  const past = answer.state === "ready" ? answer.value : null;
  return (
    <>
      <div className="history-head">
        <h1>{say("history.title", { site: site.name })}</h1>
        <div className="history-when">
          <RangeChooser
            range={range}
            days={past && daysOf(past.usage, past.usage.time_zone)}
            onChange={(chosen) => {
              window.location.hash = pageAddress(siteId, "history", queryOf(chosen));
            }}
          />
          <button type="button" className="button" onClick={again}>
            {say("refresh")}
          </button>
        </div>
        <p className="muted small" role="status">
          {past && spanWords(past)}
        </p>
      </div>
      {answer.state === "ready" ? (
        <Panels drawn={drawn} past={answer.value} filter={filter} onFilter={setFilter} />
      ) : (
        <NotReady answer={answer} again={again} />
      )}
    </>
  );
}

function spanWords({ usage: { from_ms, to_ms, time_zone } }: Past): string {
  return say("history.span", {
    from: dayAndTime(from_ms, time_zone),
    to: dayAndTime(to_ms, time_zone),
    zone: time_zone,
  });
}

function NotReady({ answer, again }: { answer: Answer<Past>; again: () => void }) {
  if (answer.state === "failed") {
    return (
      <section className="card notice" role="alert">
        <h2>{say("history.failed")}</h2>
        <p>{answer.message}</p>
        <button type="button" className="button" onClick={again}>
          {say("again")}
        </button>
      </section>
    );
  }
  return (
    <div aria-busy="true">
      <p className="visually-hidden" role="status">
        {say("history.loading")}
      </p>
      <div className="skeleton skeleton-plan" />
    </div>
  );
}

interface PanelsProps {
  drawn: Drawn;
  past: Past;
  filter: ChangeFilter;
  onFilter: (filter: ChangeFilter) => void;
}

/** Does not render at each change of the lot. */
const Panels = memo(function Panels({ drawn, past: { occupancy, usage }, filter, onFilter }: PanelsProps) {
  const changes = useRef<HTMLHeadingElement>(null);
  const { site_id: siteId, zones: siteZones } = drawn.site;
  const zones = useMemo(() => new Map(siteZones.map(({ zone_id, name }) => [zone_id, name])), [siteZones]);
  const days = daysOf(usage, usage.time_zone);
  const { from, to } = days;
  const file = `${siteId}-${from === to ? from : `${from}-to-${to}`}`;
  return (
    <div className="history-panels">
      <OccupancyPanel occupancy={occupancy} zones={zones} file={file} />
      <StaysPanel usage={usage} zones={zones} file={file} />
      <MomentPanel drawn={drawn} span={usage} time_zone={usage.time_zone} zones={zones} />
      <HoursPanel usage={usage} file={file} />
      <SlotsPanel
        usage={usage}
        zones={zones}
        file={file}
        onSelect={(slot) => {
          onFilter({ ...ALL_CHANGES, slot });
          changes.current?.focus();
        }}
      />
      <ChangesPanel
        siteId={siteId}
        siteZones={siteZones}
        usage={usage}
        file={file}
        filter={filter}
        onFilter={onFilter}
        heading={changes}
      />
      <ComparePanel siteId={siteId} time_zone={usage.time_zone} days={days} />
    </div>
  );
});
