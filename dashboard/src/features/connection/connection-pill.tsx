import { useConnection } from "../../shared/use-live";
import "./connection.css";

const WORDS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", reset: "Live" };

export function ConnectionPill() {
  const connection = useConnection();
  return (
    <span className={`pill pill-${connection}`} role="status">
      <span className="pill-dot" aria-hidden="true" />
      {WORDS[connection]}
    </span>
  );
}
