import type { Dispatch, ReactNode } from "react";

import type { Action, Editor, Tool } from "./editor";
import type { Size } from "./outlines";
import { ALL, zoom, ZOOM, type Viewport } from "./viewport";

interface Props {
  editor: Editor;
  dispatch: Dispatch<Action>;
  view: Viewport;
  onView: (view: Viewport) => void;
  size: Size;
}

const TOOLS: readonly (readonly [Tool, string, string])[] = [
  ["select", "Select", "s"],
  ["draw", "Draw a space", "d"],
  ["row", "Draw a row", "r"],
];

export function Toolbar({ editor, dispatch, view, onView, size }: Props) {
  const { history, selected, clipboard } = editor;
  const act = (type: "undo" | "redo" | "copy" | "paste" | "delete") => () => {
    dispatch({ type });
  };
  return (
    <div className="slots-tools">
      <div className="segments" role="group" aria-label="Tool">
        {TOOLS.map(([tool, words, key]) => (
          <button
            key={tool}
            type="button"
            aria-pressed={editor.tool === tool}
            aria-keyshortcuts={key}
            onClick={() => {
              dispatch({ type: "tool", tool });
            }}
          >
            {words}
          </button>
        ))}
      </div>
      <Group label="Edit">
        <ToolButton words="Undo" off={!history.past.length} onClick={act("undo")} />
        <ToolButton words="Redo" off={!history.future.length} onClick={act("redo")} />
        <ToolButton words="Copy" off={!selected.size} onClick={act("copy")} />
        <ToolButton words="Paste" off={!clipboard.length} onClick={act("paste")} />
        <ToolButton words="Delete" off={!selected.size} onClick={act("delete")} />
      </Group>
      <Group label="Zoom">
        <ToolButton
          words="−"
          label="Zoom out"
          off={view.scale <= 1}
          onClick={() => {
            onView(zoom(view, size, 1 / ZOOM));
          }}
        />
        <ToolButton
          words="+"
          label="Zoom in"
          off={false}
          onClick={() => {
            onView(zoom(view, size, ZOOM));
          }}
        />
        <ToolButton
          words="Whole picture"
          off={view === ALL}
          onClick={() => {
            onView(ALL);
          }}
        />
      </Group>
      <Keys />
    </div>
  );
}

function Group({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="slots-group" role="group" aria-label={label}>
      {children}
    </div>
  );
}

function ToolButton({
  words,
  label,
  off,
  onClick,
}: {
  words: string;
  label?: string;
  off: boolean;
  onClick: () => void;
}) {
  return (
    <button
      type="button"
      className="button button-small"
      aria-disabled={off}
      aria-label={label}
      onClick={() => {
        if (!off) onClick();
      }}
    >
      {words}
    </button>
  );
}

const KEYS: readonly (readonly [string, string])[] = [
  ["d, r, s", "draw a space, draw a row, select"],
  ["Space", "place a corner at the cross; Enter closes the outline, Backspace removes the last corner"],
  ["Tab", "go to the next space; in a selected space, to its next corner"],
  ["Enter, Space", "on a space: select it as well, or deselect it"],
  ["Arrows", "move the cross, the selection or a corner by 1 pixel of the picture; Shift 10, Ctrl 100"],
  [
    "Insert, Delete",
    "add a corner after the focused one, or delete it; Delete on a space deletes the selection",
  ],
  ["Ctrl Z, Ctrl Y", "undo, redo"],
  ["Ctrl A, C, V", "select all, copy, paste"],
  ["+, −, 0", "zoom; Alt and arrows move the view"],
  ["Alt", "hold while dragging to turn snapping off"],
  ["Double click", "on an edge: add a corner"],
];

function Keys() {
  return (
    <details className="slots-keys">
      <summary>Keys</summary>
      <dl>
        {KEYS.map(([key, words]) => (
          <div key={key}>
            <dt>{key}</dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
