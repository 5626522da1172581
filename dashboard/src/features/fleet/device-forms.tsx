import { useRef, useState } from "react";

import { OperatorForm } from "../../shared/operator-form";
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
      action="Add device"
      send={() => addDevice(siteId, name, onSecret)}
      sent="Added. Its configuration is shown above."
    >
      <label className="field">
        Name of a new device
        <input
          required
          pattern="[a-z0-9\-]{1,40}"
          title="a to z, 0 to 9 and -"
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
  const [words, setWords] = useState("Copy");
  const shown = useRef<HTMLPreElement>(null);
  const text = JSON.stringify(secret);
  const missing = missingWords(secret);
  return (
    <div className="device-secret" role="status" data-testid="device-secret">
      <p>
        Configuration of <strong>{secret.device_id}</strong>, shown only once. The firmware guide explains how
        to load it:
      </p>
      <pre className="secret" tabIndex={0} ref={shown} aria-label="Configuration">
        {text}
      </pre>
      {missing && <p className="fault">{missing}</p>}
      <button
        type="button"
        className="button button-small"
        onClick={() => {
          const mark = () => {
            if (shown.current) window.getSelection()?.selectAllChildren(shown.current);
            setWords("Selected: press Ctrl C");
          };
          // Browsers give pages served over plain HTTP no clipboard.
          if (!window.isSecureContext) mark();
          else
            navigator.clipboard.writeText(text).then(() => {
              setWords("Copied");
            }, mark);
        }}
      >
        {words}
      </button>
    </div>
  );
}
