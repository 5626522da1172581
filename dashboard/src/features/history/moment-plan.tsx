import { useMemo, useState } from "react";

import { apiUrl } from "../../shared/api";
import { duration } from "../../shared/format";
import { say } from "../../shared/language";
import { drawingsOf } from "../../shared/plan/drawings";
import { LotPlans } from "../../shared/plan/lot-plans";
import { reasonWords, stateFor } from "../../shared/slot-words";
import { StateMark } from "../../shared/state-mark";
import { siteAt, type CameraMoment, type Moment } from "./moment";
import type { Drawn } from "./moment-panel";
import { dayOf, exactTime } from "./times";

interface Props {
  drawn: Drawn;
  moment: Moment;
  time_zone: string;
}

const NONE: ReadonlyMap<string, string> = new Map();

/** The plan of a moment, beside the newest pictures of that time. */
export function MomentPlan({ drawn: { site, cameras }, moment, time_zone }: Props) {
  const [pointed, setPointed] = useState<string | null>(null);
  const [selected, setSelected] = useState<string | null>(null);
  const past = useMemo(() => siteAt(site, moment), [site, moment]);
  const drawings = useMemo(() => drawingsOf(past, cameras), [past, cameras]);
  const shown = past.slots[pointed ?? selected ?? ""];
  return (
    <div className="history-then">
      <div>
        <LotPlans
          drawings={drawings}
          name={site.name}
          old={NONE}
          vehicles={NONE}
          selected={selected}
          onSelect={setSelected}
          onPoint={setPointed}
        />
        <p className="readout">
          {shown && (
            <>
              <StateMark state={shown.state} />
              <strong>{shown.slot_id}</strong>
              <span>{stateFor(shown, moment.time_ms)}</span>
              <span className="muted">{reasonWords(shown.reason)}</span>
            </>
          )}
        </p>
      </div>
      <div className="history-pictures">
        {moment.pictures.map((picture) => (
          <Picture
            key={picture.camera_id}
            picture={picture}
            name={cameras.find(({ camera_id }) => camera_id === picture.camera_id)?.name ?? picture.camera_id}
            at_ms={moment.time_ms}
            time_zone={time_zone}
          />
        ))}
        {moment.pictures.length === 0 && <p className="muted">{say("moment.noPictures")}</p>}
      </div>
    </div>
  );
}

interface PictureProps {
  picture: CameraMoment;
  name: string;
  at_ms: number;
  time_zone: string;
}

function Picture({ picture: { time_ms, url }, name, at_ms, time_zone }: PictureProps) {
  const when = `${dayOf(time_ms, time_zone)} ${exactTime(time_ms, time_zone)}`;
  return (
    <figure>
      <a href={apiUrl(url)} target="_blank" rel="noreferrer">
        <img src={apiUrl(url)} alt={say("moment.picture", { camera: name, when })} loading="lazy" />
      </a>
      <figcaption className="muted small">
        {say("moment.taken", { camera: name, when, age: duration(at_ms - time_ms) })}
      </figcaption>
    </figure>
  );
}
