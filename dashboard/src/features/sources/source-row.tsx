import { useState } from "react";

import { say } from "../../shared/language";
import { OperatorForm } from "../../shared/operator-form";
import { removeSource } from "./source-commands";
import type { Source } from "./source-draft";

interface Props {
  source: Source;
  onEdit: () => void;
  onRemoved: () => unknown;
}

/** One camera of the list. Removing needs a confirmation. */
export function SourceRow({ source, onEdit, onRemoved }: Props) {
  const [isRemoving, setRemoving] = useState(false);
  const name = source.camera_id;
  return (
    <li className="sources-row">
      <div>
        <strong>{name}</strong>
        <span className="small muted">
          {source.url}, {say(`source.kind.${source.kind}`)}, {say("source.every", { s: source.interval_s })}
          {source.has_login && `, ${say("source.withLogin")}`}
        </span>
        {source.fault && <span className="fault">{say("source.fault", { fault: source.fault })}</span>}
        {source.version === 0 && <span className="small muted">{say("source.filed")}</span>}
      </div>
      {source.version > 0 && (
        <div className="sources-actions">
          <button
            type="button"
            className="button button-small"
            aria-label={say("source.changeOf", { camera: name })}
            onClick={onEdit}
          >
            {say("source.change")}
          </button>
          <button
            type="button"
            className="button button-small"
            aria-label={say(isRemoving ? "source.keepOf" : "source.removeOf", { camera: name })}
            onClick={() => {
              setRemoving(!isRemoving);
            }}
          >
            {say(isRemoving ? "cancel" : "accounts.remove")}
          </button>
          {isRemoving && (
            <OperatorForm
              className="access"
              action={say("source.removeAll", { camera: name })}
              send={async () => {
                const error = await removeSource(name);
                await onRemoved();
                return error;
              }}
              sent=""
            />
          )}
        </div>
      )}
    </li>
  );
}
