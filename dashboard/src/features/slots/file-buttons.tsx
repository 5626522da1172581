import { useRef, useState, type Dispatch } from "react";

import { download } from "../../shared/download";
import { Fault } from "../../shared/fault";
import type { Drawing } from "./drawing";
import type { Action } from "./editor";
import { exported, imported } from "./exchange";

interface Props {
  drawing: Drawing;
  /** Returns the other fields of the exported file, besides slots and zones. */
  rest: () => object;
  /** The camera's id. */
  name: string;
  dispatch: Dispatch<Action>;
}

export function FileButtons({ drawing, rest, name, dispatch }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const [fault, setFault] = useState("");

  async function read(file: File | undefined): Promise<void> {
    if (!file) return;
    try {
      const found = imported(await file.text());
      dispatch({
        type: "replace",
        drawing: found,
        message: `${found.slots.length} spaces imported from ${file.name}`,
      });
      setFault("");
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error));
    }
  }

  return (
    <section className="card slots-form" aria-labelledby="file-title">
      <h2 id="file-title">File</h2>
      <div className="slots-group">
        <button type="button" className="button button-small" onClick={() => input.current?.click()}>
          Import
        </button>
        <button
          type="button"
          className="button button-small"
          onClick={() => {
            download(exported(drawing, rest()), `${name.replace("/", "-")}.layout.json`, "application/json");
          }}
        >
          Export
        </button>
      </div>
      <input
        ref={input}
        type="file"
        hidden
        accept="application/json,.json"
        aria-label="File with spaces"
        onChange={(event) => {
          const [file] = event.target.files ?? [];
          event.target.value = "";
          void read(file);
        }}
      />
      <Fault words={fault} />
      <p className="small muted">Import accepts a layout, annotations.json or COCO. You can undo it.</p>
    </section>
  );
}
