import type { Dispatch } from "react";

import type { Action, Editor } from "./editor";
import type { Faults } from "./faults";

/** Lists every space by name, to select several without a mouse and to show faults. */
export function SlotList({
  editor,
  faults,
  dispatch,
}: {
  editor: Editor;
  faults: Faults;
  dispatch: Dispatch<Action>;
}) {
  const { slots } = editor.history.now;
  return (
    <section className="card slots-form" aria-labelledby="list-title">
      <h2 id="list-title">All spaces ({slots.length})</h2>
      {!slots.length && (
        <p className="muted">
          No spaces yet. <strong>Draw a row</strong> is quickest for spaces side by side;{" "}
          <strong>Draw a space</strong> allows any outline; <strong>Propose spaces</strong> finds those in
          which vehicles stand.
        </p>
      )}
      <ul className="slots-list">
        {slots.map(({ key, slot_id, enabled }) => (
          <li key={key}>
            <label className={faults.has(key) ? "slots-check fault" : "slots-check"}>
              <input
                type="checkbox"
                checked={editor.selected.has(key)}
                onChange={() => {
                  dispatch({ type: "select", key, extend: true });
                }}
              />
              {slot_id}
              {faults.has(key) && " (fault)"}
              {!enabled && " (not in use)"}
            </label>
          </li>
        ))}
      </ul>
    </section>
  );
}
