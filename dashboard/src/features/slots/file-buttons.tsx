import { useId, useRef, useState, type Dispatch } from "react";

import { ApiError } from "../../shared/api";
import { download } from "../../shared/download";
import { Fault } from "../../shared/fault";
import { say } from "../../shared/language";
import type { Drawing } from "./drawing";
import type { Action } from "./editor";
import {
  drawingIn,
  exported,
  formatChoices,
  FORMATS,
  importNotes,
  importWords,
  readSlotFile,
  writeSlotFile,
  type Format,
  type SlotFile,
} from "./exchange";
import type { Size } from "./outlines";

interface Props {
  drawing: Drawing;
  /** Returns the other fields of an exported layout, besides slots and zones. */
  rest: () => object;
  cameraId: string;
  /** The size of the camera's picture. */
  size: Size;
  dispatch: Dispatch<Action>;
}

interface Imported {
  file: File;
  found: SlotFile;
}

export function FileButtons({ drawing, rest, cameraId, size, dispatch }: Props) {
  const [format, setFormat] = useState<Format>("layout");
  const [imported, setImported] = useState<Imported | null>(null);
  const [faults, setFaults] = useState<readonly string[]>([]);
  const [busy, setBusy] = useState(false);

  async function waited<T>(answer: Promise<T | ApiError>, name: string): Promise<T | null> {
    setBusy(true);
    setFaults([]);
    const found = await answer;
    setBusy(false);
    if (!(found instanceof ApiError)) return found;
    const words = found.faults.length ? found.faults : [found.message];
    setFaults(words.map((one) => `${name}: ${one}`));
    return null;
  }

  async function read(file: File, picture: string | null): Promise<void> {
    const found = await waited(readSlotFile({ cameraId, size }, file, picture), file.name);
    if (!found) return;
    setImported({ file, found });
    dispatch({ type: "replace", drawing: drawingIn(found), message: importWords(found, file.name) });
  }

  async function write(): Promise<void> {
    const [, title, ending] = FORMATS.find(([one]) => one === format) ?? FORMATS[0];
    const name = `${cameraId.replace("/", "-")}${ending}`;
    if (format === "layout") {
      download(exported(drawing, rest()), name, "application/json");
      return;
    }
    const file = await waited(writeSlotFile({ cameraId, size }, drawing, format), title);
    if (file) download(file, name, file.type);
  }

  return (
    <section className="card slots-form" aria-labelledby="file-title" aria-busy={busy}>
      <h2 id="file-title">{say("file.title")}</h2>
      <FilePicker
        busy={busy}
        onPick={(file) => {
          void read(file, null);
        }}
      />
      {imported && (
        <ImportedFile
          {...imported}
          size={size}
          onPicture={(picture) => {
            void read(imported.file, picture);
          }}
        />
      )}
      <div className="slots-group">
        <Choice label={say("file.format")} options={formatChoices()} value={format} onChoose={setFormat} />
        <button
          type="button"
          className="button button-small"
          aria-disabled={busy}
          onClick={() => {
            if (!busy) void write();
          }}
        >
          {say("file.export")}
        </button>
      </div>
      <div className="slots-faults">
        <Fault words={faults.join("\n")} />
      </div>
      <p className="small muted">{say("file.hint")}</p>
    </section>
  );
}

function FilePicker({ busy, onPick }: { busy: boolean; onPick: (file: File) => void }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <div className="slots-group">
      <button
        type="button"
        className="button button-small"
        aria-disabled={busy}
        onClick={() => {
          if (!busy) input.current?.click();
        }}
      >
        {say("file.import")}
      </button>
      <input
        ref={input}
        type="file"
        hidden
        accept=".json,.geojson,.xml,.csv"
        aria-label={say("file.pick")}
        onChange={(event) => {
          const [file] = event.target.files ?? [];
          event.target.value = "";
          if (file) onPick(file);
        }}
      />
    </div>
  );
}

/** The choice among the pictures of the file, and what was left out of it. */
function ImportedFile({
  found,
  size,
  onPicture,
}: Imported & { size: Size; onPicture: (picture: string) => void }) {
  const notes = importNotes(found, size);
  return (
    <>
      {found.pictures.length > 1 && (
        <Choice
          label={say("file.picture")}
          options={[...new Set(found.pictures)].map((name) => [name, name] as const)}
          value={found.picture}
          onChoose={onPicture}
        />
      )}
      {notes.length > 0 && (
        <ul className="small slots-notes" role="status" aria-label={say("file.check")}>
          {notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
    </>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  options: readonly (readonly [T, string, ...unknown[]])[];
  value: T;
  onChoose: (value: T) => void;
}

function Choice<T extends string>({ label, options, value, onChoose }: ChoiceProps<T>) {
  const id = useId();
  return (
    <>
      <label className="small" htmlFor={id}>
        {label}
      </label>
      <select
        id={id}
        value={value}
        onChange={(event) => {
          const chosen = options.find(([one]) => one === event.target.value);
          if (chosen) onChoose(chosen[0]);
        }}
      >
        {options.map(([one, words]) => (
          <option key={one} value={one}>
            {words}
          </option>
        ))}
      </select>
    </>
  );
}
