import { useEffect, useState } from "react";

import { clock } from "../../shared/format";
import { useClockOffsetMs, useConnection, useHeardAtMs } from "../../shared/use-live";
import "./connection.css";

const PATIENCE_MS = 2_000;

/** Says that what is shown may be old. A break of a second is nobody's concern. */
export function ConnectionBanner() {
  const connection = useConnection();
  const heardAtMs = useHeardAtMs();
  const offset = useClockOffsetMs();
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
        The connection was away for long, so everything was read anew.
      </p>
    );
  }
  if (!away || patient) return null;
  return (
    <p className="banner banner-warning" role="status">
      {connection === "connecting" || heardAtMs === null
        ? "The server does not answer yet. Trying again…"
        : `No connection to the server. What you see is from ${clock(heardAtMs + offset)}. Trying again…`}
    </p>
  );
}
