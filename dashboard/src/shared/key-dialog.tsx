import { useEffect, useRef, useState } from "react";

import { Fault } from "./fault";
import { say } from "./language";
import { Rich } from "./rich";
import "./key-dialog.css";

interface Props {
  /** Why the last key was refused; null at first. */
  fault: string | null;
  onKey: (key: string) => void;
  onCancel: () => void;
}

/** Asks for the API key, once per tab. */
export function KeyDialog({ fault, onKey, onCancel }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const given = useRef<string | null>(null);
  const [key, setKey] = useState("");

  useEffect(() => {
    dialog.current?.showModal();
  }, []);

  // The dialog returns the focus only if it is closed, not if it is unmounted.
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
        <h2 id="key-title">{say("key.title")}</h2>
        <p>
          <Rich message="key.what" parts={{ command: <code>parking keys add NAME</code> }} />
        </p>
        <label className="field">
          {say("key.field")}
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
        <Fault words={fault} />
        <p className="muted small">{say("key.kept")}</p>
        <div className="dialog-actions">
          <button type="button" className="button" onClick={() => dialog.current?.close()}>
            {say("cancel")}
          </button>
          <button type="submit" className="button button-main">
            {say("key.use")}
          </button>
        </div>
      </form>
    </dialog>
  );
}
