import { useEffect, useId, useState } from "react";

import { OperatorForm } from "../../shared/operator-form";
import type { CameraView, InputSize } from "../../shared/views";
import { choices, inputSize, setInputSize } from "./input-size-commands";

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
  const [chosen, setChosen] = useState<string | null>(null);
  const wanted = chosen ?? (input.automatic ? "" : String(input.size_px));
  const note = useId();
  return (
    <OperatorForm
      className="input-size-form"
      action="Set size"
      send={() => setInputSize(camera.camera_id, wanted === "" ? null : Number(wanted))}
      sent="Set. It counts from the next picture."
      hint={
        <p id={note} className="small muted">
          Larger finds smaller vehicles and takes longer. A picture with a space in doubt is looked at again
          at 1280 and 1600 px, whatever is set here.
        </p>
      }
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
    </OperatorForm>
  );
}
