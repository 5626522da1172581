import { useEffect, useId, useState } from "react";

import { say } from "../../shared/language";
import { OperatorForm } from "../../shared/operator-form";
import type { CameraView, InputSize } from "../../shared/views";
import { choices, inputSize, setInputSize } from "./input-size-commands";

/** Shows the size at which this camera's pictures are analysed and why, and lets an operator set it. */
export function InputSizePanel({ camera }: { camera: CameraView }) {
  const input = useInputSize(camera.camera_id, camera.layout_version);
  if (!input) return null;
  return (
    <section
      className="input-size"
      aria-label={say("size.label", { camera: camera.name })}
      data-testid="input-size"
    >
      <p>
        <strong>
          {input.size_px === null ? say("size.none") : say("size.now", { size: String(input.size_px) })}
        </strong>{" "}
        <span className="muted">
          {say(input.automatic ? "size.automatic" : "size.fixed")}: {input.reason}.
        </span>
      </p>
      <SizeForm key={camera.camera_id} camera={camera} input={input} />
    </section>
  );
}

/** Reads the size again with each layout version, because it depends on the layout. */
function useInputSize(cameraId: string, layoutVersion: number): InputSize | null {
  const [answer, setAnswer] = useState<{ cameraId: string; input: InputSize | null } | null>(null);
  useEffect(() => {
    const request = new AbortController();
    inputSize(cameraId, request.signal).then(
      (input) => {
        if (!request.signal.aborted) setAnswer({ cameraId, input });
      },
      () => {
        // The size is optional, because the rest of the page works without it.
      },
    );
    return () => {
      request.abort();
    };
  }, [cameraId, layoutVersion]);
  return answer?.cameraId === cameraId ? answer.input : null;
}

function SizeForm({ camera, input }: { camera: CameraView; input: InputSize }) {
  const [chosen, setChosen] = useState<string | null>(null);
  const wanted = chosen ?? (input.automatic ? "" : String(input.size_px));
  const note = useId();
  return (
    <OperatorForm
      className="input-size-form"
      action={say("size.set")}
      send={() => setInputSize(camera.camera_id, wanted === "" ? null : Number(wanted))}
      sent={say("size.sent")}
      hint={
        <p id={note} className="small muted">
          {say("size.hint")}
        </p>
      }
    >
      <label className="field">
        {say("size.field")}
        <select
          value={wanted}
          aria-describedby={note}
          onChange={(event) => {
            setChosen(event.target.value);
          }}
        >
          <option value="">{say("size.choose")}</option>
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
