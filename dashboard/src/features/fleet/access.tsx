import { useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";

import { say } from "../../shared/language";
import { OperatorForm } from "../../shared/operator-form";
import type { DeviceSecret, DeviceView } from "../../shared/views";
import { revokeDevice, rotateDevice } from "./device-commands";

export interface AccessCommands {
  onSecret: (secret: DeviceSecret) => void;
  onChange: () => unknown;
  /** Called after a device was revoked. */
  onRevoked: (deviceId: string) => void;
}

type Command = "rotate" | "revoke";

/** Both commands end the device's connection, so both need a confirmation. */
export function Access({ device, onSecret, onChange, onRevoked }: AccessCommands & { device: DeviceView }) {
  const [pending, setPending] = useState<Command | null>(null);
  const group = useFocusKept(pending);
  const name = device.device_id;
  if (pending === null) {
    return (
      <div className="access" ref={group}>
        {device.may_connect && (
          <button
            type="button"
            className="button button-small"
            data-command="rotate"
            aria-label={say("access.rotateFor", { device: name })}
            onClick={() => {
              setPending("rotate");
            }}
          >
            {say("access.rotate")}
          </button>
        )}
        <button
          type="button"
          className="button button-small"
          data-command="revoke"
          aria-label={say("access.revokeOf", { device: name })}
          onClick={() => {
            setPending("revoke");
          }}
        >
          {say("access.revoke")}
        </button>
      </div>
    );
  }
  return (
    <div className="access" ref={group}>
      <OperatorForm
        className="access"
        action={say("access.confirm")}
        send={async () => {
          const error = pending === "rotate" ? await rotateDevice(name, onSecret) : await revokeDevice(name);
          if (!error) {
            if (pending === "revoke") onRevoked(name);
            setPending(null);
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
          setPending(null);
        }}
      >
        {say("cancel")}
      </button>
    </div>
  );
}

/** The pressed button disappears, so its focus moves to "Confirm", and back after "Cancel". */
function useFocusKept(pending: Command | null): RefObject<HTMLDivElement | null> {
  const group = useRef<HTMLDivElement>(null);
  const before = useRef<Command | null>(null);

  useEffect(() => {
    const left = before.current;
    before.current = pending;
    if (pending === left) return;
    const { activeElement } = document;
    const elsewhere = activeElement !== document.body && !group.current?.contains(activeElement);
    if (elsewhere) return;
    const next = pending ? "[type=submit]" : `[data-command="${left}"]`;
    group.current?.querySelector<HTMLElement>(next)?.focus();
  }, [pending]);

  // A revoked device leaves the list, so its focus moves to "Refresh".
  useLayoutEffect(() => {
    const own = group.current;
    const heir = own?.closest(".fleet")?.querySelector<HTMLElement>(".fleet-head button");
    return () => {
      if (own?.contains(document.activeElement)) heir?.focus();
    };
  }, []);

  return group;
}
