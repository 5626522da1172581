import { useState, type SyntheticEvent } from "react";

import { Fault } from "../../shared/fault";
import { say } from "../../shared/language";
import { faultOf, NAMED, type OwnRange, type Range } from "./range";

interface Props {
  range: Range;
  /** The days on screen, with which a custom range starts. */
  days: OwnRange | null;
  onChange: (range: Range) => void;
}

/** Chooses the time range: one of four, or custom days. */
export function RangeChooser({ range, days, onChange }: Props) {
  const [open, setOpen] = useState(typeof range !== "string");
  const [shown, setShown] = useState(range);
  if (shown !== range) {
    setShown(range);
    setOpen(typeof range !== "string");
  }
  return (
    <div className="history-range">
      <div className="segments" role="group" aria-label={say("column.time")}>
        {NAMED.map((name) => (
          <button
            key={name}
            type="button"
            aria-pressed={!open && range === name}
            onClick={() => {
              setOpen(false);
              onChange(name);
            }}
          >
            {say(`range.${name}`)}
          </button>
        ))}
        <button
          type="button"
          aria-pressed={open}
          onClick={() => {
            setOpen(true);
          }}
        >
          {say("range.own")}
        </button>
      </div>
      {open && <OwnDays given={typeof range === "string" ? days : range} onChange={onChange} />}
    </div>
  );
}

function OwnDays({ given, onChange }: { given: OwnRange | null; onChange: (range: Range) => void }) {
  const [own, setOwn] = useState<OwnRange>(given ?? { from: "", to: "" });
  const [fault, setFault] = useState("");
  const [shown, setShown] = useState(given);
  if (given && (shown?.from !== given.from || shown.to !== given.to)) {
    setShown(given);
    setOwn(given);
  }
  function send(event: SyntheticEvent): void {
    event.preventDefault();
    const found = faultOf(own);
    setFault(found);
    if (!found) onChange(own);
  }
  return (
    <form className="history-own" onSubmit={send}>
      {(["from", "to"] as const).map((end) => (
        <label key={end} className="field">
          {say(`range.${end}`)}
          <input
            type="date"
            required
            value={own[end]}
            onChange={(event) => {
              setOwn({ ...own, [end]: event.target.value });
            }}
          />
        </label>
      ))}
      <button type="submit" className="button">
        {say("show")}
      </button>
      <Fault words={fault} />
    </form>
  );
}
