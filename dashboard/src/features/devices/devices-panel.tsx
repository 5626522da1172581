import { useState } from "react";

import { OperatorForm } from "../../shared/operator-form";
import type { DeviceSecret, DeviceView } from "../../shared/views";
import { addDevice, listDevices, missingWords } from "./device-commands";
import { DeviceTable } from "./device-table";
import "./devices.css";

/** Cameras and gates as devices: shown to whoever has a key for them. */
export function DevicesPanel({ siteId }: { siteId: string }) {
  const [devices, setDevices] = useState<readonly DeviceView[] | null>(null);
  const [secret, setSecret] = useState<DeviceSecret | null>(null);
  const list = () => listDevices(siteId, setDevices);
  const told = (made: DeviceSecret) => {
    setSecret(made);
    void list();
  };
  return (
    <section className="card devices" aria-labelledby="devices-title" data-testid="devices">
      <div className="card-head">
        <h2 id="devices-title">Devices</h2>
      </div>
      <OperatorForm
        className="devices-form"
        action={devices ? "Look again" : "Show devices"}
        send={list}
        sent=""
      />
      {secret && <Secret key={secret.password} secret={secret} />}
      {devices && (
        <>
          <DeviceTable devices={devices} onSecret={told} onChange={list} />
          <AddForm siteId={siteId} onSecret={told} />
        </>
      )}
    </section>
  );
}

function AddForm({ siteId, onSecret }: { siteId: string; onSecret: (secret: DeviceSecret) => void }) {
  const [name, setName] = useState("");
  return (
    <OperatorForm
      className="devices-form"
      action="Let it in"
      send={() => addDevice(siteId, name, onSecret)}
      sent="Done: what it has to be told is shown above."
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

/** What a device is told once; nobody can read it again. */
function Secret({ secret }: { secret: DeviceSecret }) {
  const [copied, setCopied] = useState(false);
  const text = JSON.stringify(secret);
  const missing = missingWords(secret);
  return (
    <div className="device-secret" role="status" data-testid="device-secret">
      <p>
        <strong>{secret.device_id}</strong> is to be told this, shown once (the firmware page says how):
      </p>
      <pre className="secret" tabIndex={0} aria-label="Configuration">
        {text}
      </pre>
      {missing && <p className="fault">{missing}</p>}
      <button
        type="button"
        className="button button-small"
        onClick={() => {
          void navigator.clipboard.writeText(text).then(() => {
            setCopied(true);
          });
        }}
      >
        {copied ? "Copied" : "Copy"}
      </button>
    </div>
  );
}
