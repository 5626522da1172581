import type { Dispatch, ReactNode } from "react";

import type { Action, Editor, Tool } from "./editor";
import type { Size } from "./outlines";
import { ALL, zoom, ZOOM, type Viewport } from "./viewport";
import { say, type Key } from "../../shared/language";

interface Props {
  editor: Editor;
  dispatch: Dispatch<Action>;
  view: Viewport;
  onView: (view: Viewport) => void;
  size: Size;
}

const TOOLS: readonly (readonly [Tool, string])[] = [
  ["select", "s"],
  ["draw", "d"],
  ["row", "r"],
];

export function Toolbar({ editor, dispatch, view, onView, size }: Props) {
  const { history, selected, clipboard } = editor;
  const act = (type: "undo" | "redo" | "copy" | "paste" | "delete") => () => {
    dispatch({ type });
  };
  return (
    <div className="slots-tools">
      <div className="segments" role="group" aria-label={say("tool")}>
        {TOOLS.map(([tool, key]) => (
          <button
            key={tool}
            type="button"
            aria-pressed={editor.tool === tool}
            aria-keyshortcuts={key}
            onClick={() => {
              dispatch({ type: "tool", tool });
            }}
          >
            {say(`tool.${tool}`)}
          </button>
        ))}
      </div>
      <Group label={say("tool.edit")}>
        <ToolButton words={say("tool.undo")} off={!history.past.length} onClick={act("undo")} />
        <ToolButton words={say("tool.redo")} off={!history.future.length} onClick={act("redo")} />
        <ToolButton words={say("copy")} off={!selected.size} onClick={act("copy")} />
        <ToolButton words={say("tool.paste")} off={!clipboard.length} onClick={act("paste")} />
        <ToolButton words={say("tool.delete")} off={!selected.size} onClick={act("delete")} />
      </Group>
      <Group label={say("tool.zoom")}>
        <ToolButton
          words="−"
          label={say("tool.zoomOut")}
          off={view.scale <= 1}
          onClick={() => {
            onView(zoom(view, size, 1 / ZOOM));
          }}
        />
        <ToolButton
          words="+"
          label={say("tool.zoomIn")}
          off={false}
          onClick={() => {
            onView(zoom(view, size, ZOOM));
          }}
        />
        <ToolButton
          words={say("tool.whole")}
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

const KEYS: readonly (readonly [string, Key])[] = [
  ["d, r, s", "keys.tools"],
  ["Space", "keys.space"],
  ["Tab", "keys.tab"],
  ["Enter, Space", "keys.enter"],
  ["Arrows", "keys.arrows"],
  ["Insert, Delete", "keys.insert"],
  ["Ctrl Z, Ctrl Y", "keys.undo"],
  ["Ctrl A, C, V", "keys.clipboard"],
  ["+, −, 0", "keys.zoom"],
  ["Alt", "keys.alt"],
  ["Double click", "keys.double"],
];

function Keys() {
  return (
    <details className="slots-keys">
      <summary>{say("keys.title")}</summary>
      <dl>
        {KEYS.map(([key, words]) => (
          <div key={key}>
            <dt>{key}</dt>
            <dd>{say(words)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
