import { useEffect, useState } from "react";

import { clock } from "../../shared/format";
import { say } from "../../shared/language";
import {
  useClockOffsetMs,
  useConnection,
  useHeardAtMs,
  useStagesStillSinceMs,
  useStillSinceMs,
} from "../../shared/use-live";
import "./connection.css";

const PATIENCE_MS = 2_000;
const STAGES = ["ingest", "detector", "tracker", "persister"] as const;

/** Warns that the shown data may be old. Ignores interruptions of a second or two. */
export function ConnectionBanner() {
  const connection = useConnection();
  const heardAtMs = useHeardAtMs();
  const offset = useClockOffsetMs();
  const stillSinceMs = useStillSinceMs();
  const stages = Object.entries(useStagesStillSinceMs());
  const [patient, setPatient] = useState(true);
  const away = connection === "connecting" || connection === "reconnecting";

  useEffect(() => {
    if (!away) return;
    const timer = window.setTimeout(() => {
      setPatient(false);
    }, PATIENCE_MS);
    return () => {
      window.clearTimeout(timer);
      setPatient(true);
    };
  }, [away]);

  if (connection === "reset") {
    return (
      <p className="banner banner-info" role="status">
        {say("banner.reset")}
      </p>
    );
  }
  if (!away && stillSinceMs !== null) {
    return (
      <p className="banner banner-warning" role="status">
        {say("banner.kafka", { time: clock(stillSinceMs) })}
      </p>
    );
  }
  if (!away && stages.length > 0) {
    return (
      <p className="banner banner-warning" role="status">
        {stages.map(([name, sinceMs]) => stageWords(name, clock(sinceMs))).join(" ")}
      </p>
    );
  }
  if (!away || patient) return null;
  return (
    <p className="banner banner-warning" role="status">
      {connection === "connecting" || heardAtMs === null
        ? say("banner.noAnswer")
        : say("banner.noConnection", { time: clock(heardAtMs + offset) })}
    </p>
  );
}

/** Explain what a stalled service means for this page. */
function stageWords(name: string, time: string): string {
  const stage = STAGES.find((each) => each === name);
  return stage ? say(`banner.stage.${stage}`, { time }) : say("banner.stage", { name, time });
}
