import { useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";

import { ago } from "../../shared/format";
import { OperatorForm } from "../../shared/operator-form";
import { useNow } from "../../shared/use-now";
import type { DeviceSecret, DeviceView } from "../../shared/views";
import { lossWords, revokeDevice, rotateDevice, signalWords, stateWords } from "./device-commands";

interface TableProps {
  devices: readonly DeviceView[];
  onSecret: (secret: DeviceSecret) => void;
  onChange: () => unknown;
}

/** Every device: how it is, and whether it may connect. */
export function DeviceTable({ devices, onSecret, onChange }: TableProps) {
  if (!devices.length) return <p className="empty muted">No device yet. Let the first one in below.</p>;
  return (
    <div className="table-frame">
      <table>
        <thead>
          <tr>
            <th scope="col">Device</th>
            <th scope="col">State</th>
            <th scope="col">Last heard</th>
            <th scope="col">Signal</th>
            <th scope="col">Firmware</th>
            <th scope="col">Frames dropped</th>
            <th scope="col">Gate events</th>
            <th scope="col">Access</th>
          </tr>
        </thead>
        <tbody>
          {devices.map((device) => (
            <DeviceRow key={device.device_id} device={device} onSecret={onSecret} onChange={onChange} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function DeviceRow({
  device,
  onSecret,
  onChange,
}: Omit<TableProps, "devices"> & { device: DeviceView }) {
  const now = useNow();
  const heard = Math.max(device.last_seen_ms ?? 0, device.last_frame_at_ms ?? 0);
  const name = device.device_id.split("/")[1];
  const lost = lossWords(device);
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>
        {stateWords(device)}
        {device.replayed_at_ms !== null && (
          <span className="fault small"> sent again {ago(now - device.replayed_at_ms)}</span>
        )}
      </td>
      <td>{heard ? ago(now - heard) : "never"}</td>
      <td>{signalWords(device.rssi_dbm)}</td>
      <td>{device.firmware}</td>
      <td>{device.frames_dropped}</td>
      <td>
        {device.gate_events_waiting ? `${device.gate_events_waiting} waiting ` : ""}
        {lost && <strong className="fault">{lost}</strong>}
      </td>
      <td>
        {(device.may_connect || device.may_post) && (
          <Access device={device} onSecret={onSecret} onChange={onChange} />
        )}
      </td>
    </tr>
  );
}

type Command = "rotate" | "revoke";

/** Both end its connection, so both are asked for twice. */
function Access({ device, onSecret, onChange }: Omit<TableProps, "devices"> & { device: DeviceView }) {
  const [asked, setAsked] = useState<Command | null>(null);
  const group = useFocusKept(asked);
  const name = device.device_id;
  if (asked === null) {
    return (
      <div className="access" ref={group}>
        {device.may_connect && (
          <button
            type="button"
            className="button button-small"
            data-command="rotate"
            aria-label={`New password for ${name}`}
            onClick={() => {
              setAsked("rotate");
            }}
          >
            New password
          </button>
        )}
        <button
          type="button"
          className="button button-small"
          data-command="revoke"
          aria-label={`Shut out ${name}`}
          onClick={() => {
            setAsked("revoke");
          }}
        >
          Shut out
        </button>
      </div>
    );
  }
  return (
    <div className="access" ref={group}>
      <OperatorForm
        className="access"
        action={asked === "rotate" ? "Really change it" : "Really shut it out"}
        send={async () => {
          const error =
            asked === "rotate" ? await rotateDevice(name, onSecret) : await revokeDevice(name);
          if (!error) {
            setAsked(null);
            await onChange();
          }
          return error;
        }}
        sent=""
      />
      <button
        type="button"
        className="button button-small"
        onClick={() => {
          setAsked(null);
        }}
      >
        Keep it
      </button>
    </div>
  );
}

/** The button that was pressed goes away: the confirming one takes its focus, and gives it back. */
function useFocusKept(asked: Command | null): RefObject<HTMLDivElement | null> {
  const group = useRef<HTMLDivElement>(null);
  const before = useRef<Command | null>(null);

  useEffect(() => {
    const left = before.current;
    before.current = asked;
    if (asked === left) return;
    const { activeElement } = document;
    const elsewhere = activeElement !== document.body && !group.current?.contains(activeElement);
    if (elsewhere) return;
    const next = asked ? "[type=submit]" : `[data-command="${left}"]`;
    group.current?.querySelector<HTMLElement>(next)?.focus();
  }, [asked]);

  // A device that was shut out leaves the list: "Look again" takes over.
  useLayoutEffect(() => {
    const own = group.current;
    const heir = own?.closest("section")?.querySelector("button");
    return () => {
      if (own?.contains(document.activeElement)) heir?.focus();
    };
  }, []);

  return group;
}
