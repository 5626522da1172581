import type { InputHTMLAttributes } from "react";

import { KINDS, withUrl, type Draft, type Kind } from "./source-draft";
import { say } from "../../shared/language";

interface Props {
  draft: Draft;
  onDraft: (draft: Draft) => void;
}

/** The rule of a lot's and of a camera's name. */
export const PART = "[a-z0-9\\-]{1,40}";

/** The attributes of a field for such a name. */
export function partRule() {
  return { required: true, pattern: PART, title: say("device.nameRule") };
}

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
      <Field label={say("lot")} placeholder="station" readOnly={!isNew} {...partRule()} {...field("site")} />
      <Field
        label={say("source.name")}
        placeholder="gate"
        readOnly={!isNew}
        {...partRule()}
        {...field("name")}
      />
      <Field
        label={say("source.address")}
        placeholder="rtsp://192.168.1.30/stream2"
        required
        pattern="(https?|rtsps?)://.+"
        title={say("source.addressRule")}
        maxLength={500}
        value={draft.url}
        onValue={(url) => {
          onDraft(withUrl(draft, url));
        }}
      />
      <label className="field">
        {say("source.sends")}
        <select
          value={draft.kind}
          onChange={(event) => {
            onDraft({ ...draft, kind: event.target.value as Kind });
          }}
        >
          {KINDS.map((kind) => (
            <option key={kind} value={kind}>
              {say(`source.kind.${kind}`)}
            </option>
          ))}
        </select>
      </label>
      <Field
        label={say("source.interval")}
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
          {say("source.replaceLogin")}
        </button>
      ) : (
        <>
          <Field label={say("source.username")} maxLength={100} {...field("username")} />
          <Field
            label={say("password")}
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
