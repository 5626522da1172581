import { memo, useState } from "react";

import { CardRow, CardTable, Cell, ColumnHead, RowHead } from "../../shared/card-table";
import { duration, moment } from "../../shared/format";
import { say, type Key } from "../../shared/language";
import { PlateCell } from "./plate-cell";
import { dwellMs, gateWords, insideFirst, isOverstay, type Stay } from "./stays";

const SHOWN = 200;
const HEADS: readonly Key[] = ["column.entry", "column.for", "column.gate", "column.state", "column.plate"];

interface Props {
  stays: readonly Stay[];
  now_ms: number;
}

/** The vehicles inside, overstays first. A large lot shows the first ones until more are asked for. */
export const InsideTable = memo(function InsideTable({ stays, now_ms }: Props) {
  const [all, setAll] = useState(false);
  const sorted = insideFirst(stays);
  const shown = all ? sorted : sorted.slice(0, SHOWN);
  if (stays.length === 0) return <p className="empty muted">{say("inside.none")}</p>;
  return (
    <>
      <CardTable
        label={say("inside.table")}
        head={HEADS.map((head) => (
          <ColumnHead key={head} label={say(head)} />
        ))}
      >
        {shown.map((stay) => (
          <CardRow key={stay.session_id} className={isOverstay(stay) ? "stay-over" : ""}>
            <RowHead>{entryWords(stay, now_ms)}</RowHead>
            <Cell label={say("column.for")}>{dwellWords(stay, now_ms)}</Cell>
            <Cell label={say("column.gate")}>{gateWords(stay)}</Cell>
            <Cell label={say("column.state")}>
              {isOverstay(stay) ? <strong>{say("inside.over")}</strong> : say("inside.in")}
            </Cell>
            <Cell label={say("column.plate")}>
              <PlateCell stay={stay} />
            </Cell>
          </CardRow>
        ))}
      </CardTable>
      {shown.length < sorted.length && (
        <button
          type="button"
          className="button button-small"
          onClick={() => {
            setAll(true);
          }}
        >
          {say("inside.all", { number: sorted.length })}
        </button>
      )}
    </>
  );
});

export function entryWords({ entry_at_ms }: Stay, now_ms: number): string {
  return typeof entry_at_ms === "number" ? moment(entry_at_ms, now_ms) : say("state.unknown");
}

export function dwellWords(stay: Stay, now_ms: number): string {
  const dwell_ms = dwellMs(stay, now_ms);
  return dwell_ms === null ? "–" : duration(dwell_ms);
}
