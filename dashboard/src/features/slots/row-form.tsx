import { useEffect, useRef } from "react";

import { NAME_PATTERN } from "./names";
import { say } from "../../shared/language";

interface Props {
  /** True once the row has its four corners. */
  ready: boolean;
  first: string;
  count: number;
  onFirst: (name: string) => void;
  onCount: (count: number) => void;
  onAdd: () => void;
}

const MOST = 200;

/** Asks for the number of spaces in a row and their names. */
export function RowForm({ ready, first, count, onFirst, onCount, onAdd }: Props) {
  const name = useRef<HTMLInputElement>(null);

  useEffect(() => {
    if (!ready) return;
    name.current?.focus();
    name.current?.select();
  }, [ready]);

  return (
    <form
      className="card slots-form"
      aria-labelledby="row-title"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) onAdd();
      }}
    >
      <h2 id="row-title">{say("row.title")}</h2>
      <p className="small muted">{say("row.hint")}</p>
      <div className="slots-pair">
        <label className="field">
          {say("row.first")}
          <input
            ref={name}
            required
            pattern={NAME_PATTERN}
            title={say("name.rule")}
            autoComplete="off"
            value={first}
            onChange={(event) => {
              onFirst(event.target.value);
            }}
          />
        </label>
        <label className="field">
          {say("row.count")}
          <input
            type="number"
            required
            min={1}
            max={MOST}
            value={count || ""}
            onChange={(event) => {
              onCount(Math.min(MOST, Number(event.target.value)));
            }}
          />
        </label>
      </div>
      <button type="submit" className="button button-main" aria-disabled={!ready}>
        {say("row.add")}
      </button>
    </form>
  );
}
