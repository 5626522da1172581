import { useState, type Dispatch } from "react";

import { KINDS, kindWord } from "../../shared/kinds";
import { say } from "../../shared/language";
import type { Drawing, DrawnSlot } from "./drawing";
import type { Action } from "./editor";
import type { Faults } from "./faults";
import { spaces } from "./editor-words";
import { isName } from "./names";

interface Props {
  slots: readonly DrawnSlot[];
  drawing: Drawing;
  faults: Faults;
  dispatch: Dispatch<Action>;
}

/** Edits the name, zone, kind and use of the selected spaces. */
export function SelectionForm({ slots, drawing, faults, dispatch }: Props) {
  const [one] = slots;
  if (!one) return null;
  const single = slots.length === 1;
  const zone = same(slots, "zone_id");
  const words = slots.flatMap((slot) => faults.get(slot.key) ?? []);
  return (
    <form
      className="card slots-form"
      aria-labelledby="selection-title"
      onSubmit={(event) => {
        event.preventDefault();
      }}
    >
      <h2 id="selection-title">
        {single ? say("details.title", { space: one.slot_id }) : spaces(slots.length)}
      </h2>
      {words.map((fault) => (
        <p key={fault} className="fault" role="alert">
          {fault}
        </p>
      ))}
      <div className="slots-pair">
        {single && (
          <Text
            label={say("column.name")}
            value={one.slot_id}
            onValue={(slot_id) => {
              dispatch({ type: "patch", patch: { slot_id } });
            }}
          />
        )}
        <Text
          key={zone}
          label={say("zone")}
          value={zone}
          zones={drawing.slots.map((slot) => slot.zone_id)}
          onValue={(zone_id) => {
            dispatch({ type: "patch", patch: { zone_id } });
          }}
        />
      </div>
      {zone && (
        <label className="field">
          {say("edit.zoneName", { zone })}
          <input
            maxLength={100}
            value={drawing.zones.find((each) => each.zone_id === zone)?.name ?? zone}
            onChange={(event) => {
              dispatch({ type: "name-zone", zone_id: zone, name: event.target.value });
            }}
          />
        </label>
      )}
      <label className="field">
        {say("details.kind")}
        <select
          value={same(slots, "kind")}
          onChange={(event) => {
            const kind = KINDS.find((each) => each === event.target.value);
            if (kind) dispatch({ type: "patch", patch: { kind } });
          }}
        >
          {!same(slots, "kind") && <option value="">{say("edit.several")}</option>}
          {KINDS.map((kind) => (
            <option key={kind} value={kind}>
              {kindWord(kind)}
            </option>
          ))}
        </select>
      </label>
      <label className="slots-check">
        <input
          type="checkbox"
          checked={slots.every((slot) => slot.enabled)}
          onChange={(event) => {
            dispatch({ type: "patch", patch: { enabled: event.target.checked } });
          }}
        />
        {say("edit.inUse")}
      </label>
    </form>
  );
}

/** A text field. A valid value takes effect when the field loses focus or Enter is pressed: one undo step. */
function Text({
  label,
  value,
  zones,
  onValue,
}: {
  label: string;
  value: string;
  zones?: string[];
  onValue: (value: string) => void;
}) {
  const [typed, setTyped] = useState<string | null>(null);
  const shown = typed ?? value;
  const wrong = typed !== null && !isName(typed);
  const list = zones && `${label.toLowerCase()}-list`;
  const settle = () => {
    if (typed !== null && typed !== value && isName(typed)) onValue(typed);
    setTyped(null);
  };
  return (
    <label className="field">
      {label}
      <input
        value={shown}
        list={list}
        autoComplete="off"
        aria-invalid={wrong}
        placeholder={zones ? say("edit.several") : ""}
        onChange={(event) => {
          setTyped(event.target.value);
        }}
        onBlur={settle}
        onKeyDown={(event) => {
          if (event.key === "Enter") settle();
        }}
      />
      {wrong && <span className="fault small">{say("name.rule")}</span>}
      {zones && (
        <datalist id={list}>
          {[...new Set(zones)].map((zone) => (
            <option key={zone} value={zone} />
          ))}
        </datalist>
      )}
    </label>
  );
}

/** The value that all slots share; "" if they differ. */
function same(slots: readonly DrawnSlot[], field: "zone_id" | "kind"): string {
  const values = new Set(slots.map((slot) => slot[field]));
  return values.size === 1 ? ([...values][0] ?? "") : "";
}
