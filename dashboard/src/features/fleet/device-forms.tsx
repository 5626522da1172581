import { useRef, useState } from "react";

import { say, type Key } from "../../shared/language";
import { OperatorForm } from "../../shared/operator-form";
import { Rich } from "../../shared/rich";
import type { DeviceSecret } from "../../shared/views";
import { addDevice, missingWords } from "./device-commands";

interface AddProps {
  siteId: string;
  onSecret: (secret: DeviceSecret) => void;
}

export function AddForm({ siteId, onSecret }: AddProps) {
  const [name, setName] = useState("");
  return (
    <OperatorForm
      className="devices-form"
      action={say("device.add")}
      send={() => addDevice(siteId, name, onSecret)}
      sent={say("device.added")}
    >
      <label className="field">
        {say("device.name")}
        <input
          required
          pattern="[a-z0-9\-]{1,40}"
          title={say("device.nameRule")}
          placeholder="gate-2"
          autoComplete="off"
          value={name}
          onChange={(event) => {
            setName(event.target.value);
          }}
        />
      </label>
    </OperatorForm>
  );
}

/** The configuration of a device. The server shows it only once. */
export function Secret({ secret }: { secret: DeviceSecret }) {
  const [words, setWords] = useState<Key>("copy");
  const shown = useRef<HTMLPreElement>(null);
  const text = JSON.stringify(secret);
  const missing = missingWords(secret);
  return (
    <div className="device-secret" role="status" data-testid="device-secret">
      <p>
        <Rich message="device.shownOnce" parts={{ device: <strong>{secret.device_id}</strong> }} />
      </p>
      <pre className="secret" tabIndex={0} ref={shown} aria-label={say("device.configuration")}>
        {text}
      </pre>
      {missing && <p className="fault">{missing}</p>}
      <button
        type="button"
        className="button button-small"
        onClick={() => {
          const mark = () => {
            if (shown.current) window.getSelection()?.selectAllChildren(shown.current);
            setWords("copy.selected");
          };
          // Browsers give pages served over plain HTTP no clipboard.
          if (!window.isSecureContext) mark();
          else
            navigator.clipboard.writeText(text).then(() => {
              setWords("copy.done");
            }, mark);
        }}
      >
        {say(words)}
      </button>
    </div>
  );
}
