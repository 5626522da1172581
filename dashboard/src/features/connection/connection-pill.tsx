import { say } from "../../shared/language";
import { useConnection, useStagesStillSinceMs, useStillSinceMs } from "../../shared/use-live";
import "./connection.css";

/** While one of these has stalled, the shown states are old. */
const OLD = ["ingest", "detector", "tracker"];

export function ConnectionPill() {
  const connection = useConnection();
  const stages = useStagesStillSinceMs();
  const old = useStillSinceMs() !== null || OLD.some((stage) => stage in stages);
  const still = old && connection === "live";
  return (
    <span className={`pill pill-${still ? "still" : connection}`} role="status">
      <span className="pill-dot" aria-hidden="true" />
      {say(still ? "connection.still" : `connection.${connection}`)}
    </span>
  );
}
