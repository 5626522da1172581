import { say } from "../../shared/language";
import type { OwnRange } from "./range";
import { dayOf, type Span } from "./days";
import type { Moment } from "./moment";
import { exactTime } from "./times";

interface Props {
  at_ms: number;
  /** The part of the chosen day for which there is history. */
  day: Span;
  date: string;
  /** The first and the last day that can be chosen. */
  days: OwnRange;
  time_zone: string;
  moment: Moment | null;
  span: Span;
  onChange: (at_ms: number) => void;
}

const MINUTE_MS = 60_000;

/** Chooses a moment: a day, a time on its slider, or the change before or after. */
export function TimeSlider({ at_ms, day, date, days, time_zone, moment, span, onChange }: Props) {
  const inSpan = (time_ms: number | null | undefined): time_ms is number =>
    time_ms !== null && time_ms !== undefined && time_ms >= span.from_ms && time_ms < span.to_ms;
  const steps = [
    { name: "previous", time_ms: moment?.previous_ms },
    { name: "next", time_ms: moment?.next_ms },
  ] as const;
  return (
    <div className="history-moment">
      {days.from !== days.to && (
        <label className="field">
          {say("moment.day")}
          <input
            type="date"
            value={date}
            min={days.from}
            max={days.to}
            required
            onChange={(event) => {
              const chosen = event.target.value;
              if (chosen)
                onChange(dayOf(chosen, time_zone).from_ms + (at_ms - dayOf(date, time_zone).from_ms));
            }}
          />
        </label>
      )}
      <label className="field history-slider">
        {say("column.time")}
        <input
          type="range"
          min={0}
          max={Math.floor((day.to_ms - 1 - day.from_ms) / MINUTE_MS)}
          value={Math.floor((at_ms - day.from_ms) / MINUTE_MS)}
          aria-valuetext={exactTime(at_ms, time_zone)}
          onChange={(event) => {
            onChange(day.from_ms + event.target.valueAsNumber * MINUTE_MS);
          }}
        />
      </label>
      <output className="number">{exactTime(at_ms, time_zone)}</output>
      {steps.map(({ name, time_ms }) => (
        <button
          key={name}
          type="button"
          className="button button-small"
          aria-disabled={!inSpan(time_ms)}
          onClick={() => {
            if (inSpan(time_ms)) onChange(time_ms);
          }}
        >
          {say(`moment.${name}`)}
        </button>
      ))}
    </div>
  );
}
