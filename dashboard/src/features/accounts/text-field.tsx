import { say } from "../../shared/language";
interface Props {
  label: string;
  value: string;
  onValue: (value: string) => void;
  /** The browser's name for it, so that password managers know the field. */
  autoComplete: string;
  type?: "text" | "password";
  hint?: string;
  minLength?: number;
}

/** A labelled field of a form; it must be filled in. */
export function TextField({ label, value, onValue, autoComplete, type = "text", hint, minLength }: Props) {
  return (
    <label className="field">
      {label}
      <input
        type={type}
        autoComplete={autoComplete}
        autoCapitalize="none"
        spellCheck={false}
        required
        minLength={minLength}
        value={value}
        onChange={(event) => {
          onValue(event.target.value);
        }}
      />
      {hint && <span className="small">{hint}</span>}
    </label>
  );
}

const PASSWORD_MIN = 12;

interface PasswordProps {
  label: string;
  value: string;
  onValue: (value: string) => void;
}

/** A field for a password that is being chosen. */
export function NewPasswordField({ label, value, onValue }: PasswordProps) {
  return (
    <TextField
      label={label}
      type="password"
      autoComplete="new-password"
      minLength={PASSWORD_MIN}
      hint={say("password.rule", { min: PASSWORD_MIN })}
      value={value}
      onValue={onValue}
    />
  );
}
