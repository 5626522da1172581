import { useId } from "react";

interface ChoiceProps<T extends string> {
  label: string;
  options: readonly (readonly [T, string, ...unknown[]])[];
  value: T;
  onChoose: (value: T) => void;
}

/** A labelled list of options. */
export function Choice<T extends string>({ label, options, value, onChoose }: ChoiceProps<T>) {
  const id = useId();
  return (
    <>
      <label className="small" htmlFor={id}>
        {label}
      </label>
      <select
        id={id}
        value={value}
        onChange={(event) => {
          const chosen = options.find(([one]) => one === event.target.value);
          if (chosen) onChoose(chosen[0]);
        }}
      >
        {options.map(([one, words]) => (
          <option key={one} value={one}>
            {words}
          </option>
        ))}
      </select>
    </>
  );
}
