import { useEffect, useRef, useState } from "react";

import "./key-dialog.css";

interface Props {
  /** What was wrong with the key before; null at the first time. */
  fault: string | null;
  onKey: (key: string) => void;
  onCancel: () => void;
}

/** Asks for the API key, once a tab. */
export function KeyDialog({ fault, onKey, onCancel }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const given = useRef<string | null>(null);
  const [key, setKey] = useState("");

  useEffect(() => {
    dialog.current?.showModal();
  }, []);

  // Only a dialog that is closed, not one that is taken away, gives the focus back.
  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby="key-title"
      onClose={() => {
        if (given.current === null) onCancel();
        else onKey(given.current);
      }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          given.current = key.trim() || null;
          if (given.current !== null) dialog.current?.close();
        }}
      >
        <h2 id="key-title">API key</h2>
        <p>
          Changing something needs a key that may write. It was shown when the system first started;
          make another one with <code>python -m parking keys add NAME</code>.
        </p>
        <label className="field">
          Key
          <input
            type="password"
            autoComplete="off"
            spellCheck={false}
            placeholder="pk_…"
            required
            value={key}
            onChange={(event) => {
              setKey(event.target.value);
            }}
          />
        </label>
        {fault && (
          <p className="fault" role="alert">
            {fault}
          </p>
        )}
        <p className="muted small">It is kept in this tab only, and forgotten when you close it.</p>
        <div className="dialog-actions">
          <button type="button" className="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" className="button button-main">
            Use this key
          </button>
        </div>
      </form>
    </dialog>
  );
}
