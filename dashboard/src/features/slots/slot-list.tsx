import type { Dispatch } from "react";

import type { Action, Editor } from "./editor";
import type { Faults } from "./faults";
import { say } from "../../shared/language";
import { Rich } from "../../shared/rich";

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
      <h2 id="list-title">{say("edit.all", { number: slots.length })}</h2>
      {!slots.length && (
        <p className="muted">
          <Rich
            message="edit.none"
            parts={{
              row: <strong>{say("tool.row")}</strong>,
              draw: <strong>{say("tool.draw")}</strong>,
              propose: <strong>{say("propose.title")}</strong>,
            }}
          />
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
              {faults.has(key) && ` (${say("edit.fault")})`}
              {!enabled && ` (${say("edit.off")})`}
            </label>
          </li>
        ))}
      </ul>
    </section>
  );
}
