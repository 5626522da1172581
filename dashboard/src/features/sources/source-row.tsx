import { useState } from "react";

import { OperatorForm } from "../../shared/operator-form";
import { removeSource } from "./source-commands";
import { KIND_WORDS, type Source } from "./source-draft";

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
          {source.url}, {KIND_WORDS[source.kind]}, every {source.interval_s} s
          {source.has_login && ", with a login"}
        </span>
        {source.fault && <span className="fault">Not polled as shown here: {source.fault}</span>}
        {source.version === 0 && (
          <span className="small muted">It is in the cameras file of the server: change it there.</span>
        )}
      </div>
      {source.version > 0 && (
        <div className="sources-actions">
          <button
            type="button"
            className="button button-small"
            aria-label={`Change ${name}`}
            onClick={onEdit}
          >
            Change
          </button>
          <button
            type="button"
            className="button button-small"
            aria-label={isRemoving ? `Keep ${name}` : `Remove ${name}`}
            onClick={() => {
              setRemoving(!isRemoving);
            }}
          >
            {isRemoving ? "Cancel" : "Remove"}
          </button>
          {isRemoving && (
            <OperatorForm
              className="access"
              action={`Remove ${name} and its spaces`}
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
