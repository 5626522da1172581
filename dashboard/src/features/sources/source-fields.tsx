import type { InputHTMLAttributes } from "react";

import { KIND_WORDS, withUrl, type Draft, type Kind } from "./source-draft";

interface Props {
  draft: Draft;
  onDraft: (draft: Draft) => void;
}

/** The rule of a lot's and of a camera's name. */
export const PART = { required: true, pattern: "[a-z0-9\\-]{1,40}", title: "a to z, 0 to 9 and -" };

export function SourceFields({ draft, onDraft }: Props) {
  const field = (name: "site" | "name" | "interval_s" | "username" | "password") => ({
    value: draft[name],
    onValue: (value: string) => {
      onDraft({ ...draft, [name]: value });
    },
  });
  const isNew = draft.version === 0;
  return (
    <>
      <Field label="Lot" placeholder="station" readOnly={!isNew} {...PART} {...field("site")} />
      <Field label="Name of the camera" placeholder="gate" readOnly={!isNew} {...PART} {...field("name")} />
      <Field
        label="Address"
        placeholder="rtsp://192.168.1.30/stream2"
        required
        pattern="(https?|rtsps?)://.+"
        title="an address that begins with http://, https://, rtsp:// or rtsps://"
        maxLength={500}
        value={draft.url}
        onValue={(url) => {
          onDraft(withUrl(draft, url));
        }}
      />
      <label className="field">
        What it sends
        <select
          value={draft.kind}
          onChange={(event) => {
            onDraft({ ...draft, kind: event.target.value as Kind });
          }}
        >
          {Object.entries(KIND_WORDS).map(([kind, words]) => (
            <option key={kind} value={kind}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <Field
        label="Seconds between pictures"
        type="number"
        min="0.2"
        max="3600"
        step="any"
        required
        {...field("interval_s")}
      />
      {draft.keep ? (
        <button
          type="button"
          className="button"
          onClick={() => {
            onDraft({ ...draft, keep: false });
          }}
        >
          Replace the stored login
        </button>
      ) : (
        <>
          <Field label="User name, if it needs a login" maxLength={100} {...field("username")} />
          <Field
            label="Password"
            type="password"
            autoComplete="new-password"
            maxLength={200}
            {...field("password")}
          />
        </>
      )}
    </>
  );
}

interface FieldProps extends InputHTMLAttributes<HTMLInputElement> {
  label: string;
  onValue: (value: string) => void;
}

export function Field({ label, onValue, ...input }: FieldProps) {
  return (
    <label className="field">
      {label}
      <input
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        {...input}
        onChange={(event) => {
          onValue(event.target.value);
        }}
      />
    </label>
  );
}
