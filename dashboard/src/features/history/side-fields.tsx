import { say } from "../../shared/language";

/** What one side of a comparison shows: a day of this lot, or the file of a replay. */
export interface Side {
  kind: "day" | "file";
  date: string;
  file: File | null;
}

interface Props {
  name: "A" | "B";
  side: Side;
  onChange: (side: Side) => void;
}

const KINDS = ["day", "file"] as const;

/** Chooses one side of a comparison. */
export function SideFields({ name, side, onChange }: Props) {
  return (
    <fieldset className="history-side">
      <legend>{name}</legend>
      <label className="field">
        {say("compare.kind", { side: name })}
        <select
          value={side.kind}
          onChange={(event) => {
            onChange({ ...side, kind: KINDS.find((kind) => kind === event.target.value) ?? "day" });
          }}
        >
          {KINDS.map((kind) => (
            <option key={kind} value={kind}>
              {say(`compare.kind.${kind}`)}
            </option>
          ))}
        </select>
      </label>
      {side.kind === "day" ? (
        <label key="day" className="field">
          {say("compare.day", { side: name })}
          <input
            type="date"
            required
            value={side.date}
            onChange={(event) => {
              onChange({ ...side, date: event.target.value });
            }}
          />
        </label>
      ) : (
        <label key="file" className="field">
          {say("compare.file", { side: name })}
          <input
            type="file"
            accept=".jsonl"
            onChange={(event) => {
              onChange({ ...side, file: event.target.files?.[0] ?? null });
            }}
          />
        </label>
      )}
    </fieldset>
  );
}
