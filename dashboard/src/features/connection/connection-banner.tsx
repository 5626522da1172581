import { useEffect, useState } from "react";

import { clock } from "../../shared/format";
import {
  useClockOffsetMs,
  useConnection,
  useHeardAtMs,
  useStagesStillSinceMs,
  useStillSinceMs,
} from "../../shared/use-live";
import "./connection.css";

const PATIENCE_MS = 2_000;
/** What it means for this page that a service stands still. */
const STAGES: Readonly<Record<string, string>> = {
  ingest: "No new pictures arrive: ingest, the service that receives them,",
  detector: "New pictures are not analysed: the detector",
  tracker: "The states of the spaces are not updated: the tracker",
  persister: "This page is up to date, but the history is not being written: the persister",
};

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
        The connection was lost for a long time. All data was loaded again.
      </p>
    );
  }
  if (!away && stillSinceMs !== null) {
    return (
      <p className="banner banner-warning" role="status">
        {`The server receives no new data: Kafka has not answered since ${clock(stillSinceMs)}. This page shows the state as of then.`}
      </p>
    );
  }
  if (!away && stages.length > 0) {
    return (
      <p className="banner banner-warning" role="status">
        {stages
          .map(([name, sinceMs]) => `${STAGES[name] ?? name} has made no progress since ${clock(sinceMs)}.`)
          .join(" ")}
      </p>
    );
  }
  if (!away || patient) return null;
  return (
    <p className="banner banner-warning" role="status">
      {connection === "connecting" || heardAtMs === null
        ? "The server does not answer. Retrying…"
        : `No connection to the server. This page shows the state at ${clock(heardAtMs + offset)}. Retrying…`}
    </p>
  );
}
