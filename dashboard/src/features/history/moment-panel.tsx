import { useMemo, useState } from "react";

import { say } from "../../shared/language";
import type { Site } from "../../shared/live";
import { useRequest, type Answer } from "../../shared/use-request";
import type { CameraView } from "../../shared/views";
import { DataPanel } from "./data-panel";
import { dayOf, daysOf, type Span } from "./days";
import { countWords, loadMoment, momentTable, type Moment } from "./moment";
import { MomentPlan } from "./moment-plan";
import { RequestFault } from "./request-fault";
import { TimeSlider } from "./time-slider";
import { exactTime, dayOf as dayWords } from "./times";
import { useSettled } from "./use-settled";

/** What was drawn when the page was opened: the history does not follow live changes. */
export interface Drawn {
  site: Site;
  cameras: readonly CameraView[];
}

interface Props {
  drawn: Drawn;
  span: Span;
  time_zone: string;
  zones: ReadonlyMap<string, string>;
}

/** How long the slider rests before the moment is requested. */
const REST_MS = 150;

/** A day of the lot, moment by moment: the plan with its states then, and each camera's last picture. */
export function MomentPanel({ drawn, span, time_zone, zones }: Props) {
  const days = daysOf(span, time_zone);
  const [wish, setWish] = useState(span.to_ms - 1);
  const at_ms = Math.min(Math.max(wish, span.from_ms), span.to_ms - 1);
  const date = daysOf({ from_ms: at_ms, to_ms: at_ms + 1 }, time_zone).from;
  const whole = dayOf(date, time_zone);
  const day = {
    from_ms: Math.max(whole.from_ms, span.from_ms),
    to_ms: Math.min(whole.to_ms, span.to_ms),
  };
  const settled_ms = useSettled(at_ms, REST_MS);
  const key = new URLSearchParams({ site: drawn.site.site_id, at_ms: String(settled_ms) }).toString();
  const { answer, again } = useRequest(key, loadMoment);
  const moment = useLast(answer);
  const table = useMemo(
    () => (moment ? momentTable(moment, zones, time_zone) : { columns: [], rows: [] }),
    [moment, zones, time_zone],
  );
  const when = moment && `${dayWords(moment.time_ms, time_zone)} ${exactTime(moment.time_ms, time_zone)}`;
  return (
    <DataPanel
      title={say("moment.title")}
      file={`${drawn.site.site_id}-${date}-${exactTime(at_ms, time_zone).replaceAll(":", "-")}`}
      table={table}
      picture={say("plan")}
      waiting={!moment}
      note={
        <>
          <TimeSlider
            at_ms={at_ms}
            day={day}
            date={date}
            days={days}
            time_zone={time_zone}
            moment={moment}
            span={span}
            onChange={setWish}
          />
          <p className="muted" role="status">
            {moment ? `${when}: ${countWords(moment)}` : say("moment.loading")}
          </p>
          {answer.state === "failed" && <RequestFault message={answer.message} onAgain={again} />}
        </>
      }
    >
      {moment && <MomentPlan drawn={drawn} moment={moment} time_zone={time_zone} />}
    </DataPanel>
  );
}

/** The newest value that arrived, so that the plan stays while the next one is loading. */
function useLast(answer: Answer<Moment>): Moment | null {
  const [last, setLast] = useState<Moment | null>(null);
  if (answer.state === "ready" && answer.value !== last) setLast(answer.value);
  return answer.state === "ready" ? answer.value : last;
}
