import { useEffect, useId, useState } from "react";

import { isRefused, storedKey, storeKey } from "../../shared/api-key";
import { KeyDialog } from "../../shared/key-dialog";
import type { CameraView, InputSize } from "../../shared/views";
import { choices, inputSize, setInputSize } from "./input-size-commands";

type Phase =
  | { name: "idle"; fault?: string }
  | { name: "asking"; fault: string | null }
  | { name: "sending" }
  | { name: "sent" };

/** How large the detector looks at this camera's pictures, why, and a way to say otherwise. */
export function InputSizePanel({ camera }: { camera: CameraView }) {
  const input = useInputSize(camera.camera_id, camera.layout_version);
  if (!input) return null;
  return (
    <section className="input-size" aria-label={`Analysis of ${camera.name}`} data-testid="input-size">
      <p>
        <strong>{input.size_px === null ? "Size not known yet" : `Analysed at ${input.size_px} px`}</strong>{" "}
        <span className="muted">
          {input.automatic ? "chosen by need" : "fixed"}: {input.reason}.
        </span>
      </p>
      <SizeForm key={camera.camera_id} camera={camera} input={input} />
    </section>
  );
}

/** Asked again with each layout: the choice follows from it. */
function useInputSize(cameraId: string, layoutVersion: number): InputSize | null {
  const [told, setTold] = useState<{ cameraId: string; input: InputSize | null } | null>(null);
  useEffect(() => {
    const asking = new AbortController();
    inputSize(cameraId, asking.signal).then(
      (input) => {
        if (!asking.signal.aborted) setTold({ cameraId, input });
      },
      () => {
        // The size is a side note: without it, the rest of the page still stands.
      },
    );
    return () => {
      asking.abort();
    };
  }, [cameraId, layoutVersion]);
  return told?.cameraId === cameraId ? told.input : null;
}

function SizeForm({ camera, input }: { camera: CameraView; input: InputSize }) {
  const [phase, setPhase] = useState<Phase>({ name: "idle" });
  const [chosen, setChosen] = useState<string | null>(null);
  const wanted = chosen ?? (input.automatic ? "" : String(input.size_px));
  const note = useId();
  const busy = phase.name === "sending";

  async function run(): Promise<void> {
    if (!storedKey()) {
      setPhase({ name: "asking", fault: null });
      return;
    }
    setPhase({ name: "sending" });
    const error = await setInputSize(camera.camera_id, wanted === "" ? null : Number(wanted));
    if (!error) setPhase({ name: "sent" });
    else if (isRefused(error)) setPhase({ name: "asking", fault: error.message });
    else setPhase({ name: "idle", fault: error.message });
  }

  return (
    <>
      <form
        className="input-size-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void run();
        }}
      >
        <label className="field">
          Size for analysis
          <select
            value={wanted}
            aria-describedby={note}
            onChange={(event) => {
              setChosen(event.target.value);
            }}
          >
            <option value="">By need (automatic)</option>
            {choices(input).map((size_px) => (
              <option key={size_px} value={size_px}>
                {size_px} px
              </option>
            ))}
          </select>
        </label>
        {/* Not `disabled`: that would take the focus away from it. */}
        <button type="submit" className="button" aria-disabled={busy}>
          Set size
        </button>
        <p id={note} className="small muted">
          Larger finds smaller vehicles and takes longer.
        </p>
        <p className="small muted" role="status">
          {phase.name === "sent" && "Set. It counts from the next picture."}
        </p>
        {phase.name === "idle" && phase.fault && (
          <p className="fault" role="alert">
            {phase.fault}
          </p>
        )}
      </form>
      {phase.name === "asking" && (
        <KeyDialog
          fault={phase.fault}
          onKey={(key) => {
            storeKey(key);
            void run();
          }}
          onCancel={() => {
            setPhase({ name: "idle" });
          }}
        />
      )}
    </>
  );
}
