import { useState } from "react";

import type { LayoutPublished } from "../../shared/events";
import { say } from "../../shared/language";
import { Canvas } from "./canvas";
import { ConflictNotice } from "./conflict-notice";
import { named, ofKeys } from "./drawing";
import { ROW_CORNERS } from "./editor";
import { FileButtons } from "./file-buttons";
import { exportedFields, type Picture, type Terms } from "./layout-commands";
import { proposedName } from "./names";
import type { Size } from "./outlines";
import { PreviewForm } from "./preview-form";
import { ProposalsForm } from "./proposals-form";
import { PublishForm } from "./publish-form";
import { RowForm } from "./row-form";
import { SelectionForm } from "./selection-form";
import { SlotList } from "./slot-list";
import { Toolbar } from "./toolbar";
import { useEditing } from "./use-editing";
import { usePreview } from "./use-preview";
import { useProposals } from "./use-proposals";
import { VersionsPanel } from "./versions-panel";
import { ALL } from "./viewport";

interface Props {
  cameraId: string;
  /** The layout in force when the page was opened, or null. */
  layout: LayoutPublished | null;
  picture: Picture;
  terms: Terms;
}

const ROW = 10;

export function SlotEditor({ cameraId, layout, picture, terms }: Props) {
  const editing = useEditing(cameraId, layout, terms, picture.still);
  const { editor, dispatch, faults } = editing;
  const proposing = useProposals(cameraId, editor.history.now, dispatch);
  const previewing = usePreview(cameraId, picture.offset, editor.history.now, faults);
  const [view, setView] = useState(ALL);
  const [count, setCount] = useState(ROW);
  const rowReady = editor.tool === "row" && editor.placed.length === ROW_CORNERS;
  return (
    <div className="slots-body" data-testid="slot-editor">
      <div className="slots-main">
        <Toolbar editor={editor} dispatch={dispatch} view={view} onView={setView} size={picture} />
        <Canvas
          editor={editor}
          dispatch={dispatch}
          picture={picture}
          view={view}
          onView={setView}
          faults={faults}
          rowCount={rowReady ? count : 0}
          proposing={proposing}
          judged={previewing.judged}
        />
        <p className="slots-status small" role="status" data-testid="slots-message">
          {editor.message}
        </p>
        {!editing.kept && <p className="fault small">{say("edit.noDraft")}</p>}
      </div>
      <Side
        editing={editing}
        isStill={picture.still !== undefined}
        proposing={proposing}
        previewing={previewing}
        size={picture}
        rowReady={rowReady}
        count={count}
        onCount={setCount}
      />
    </div>
  );
}

interface SideProps {
  editing: ReturnType<typeof useEditing>;
  /** Somebody uploaded the picture. */
  isStill: boolean;
  proposing: ReturnType<typeof useProposals>;
  previewing: ReturnType<typeof usePreview>;
  size: Size;
  rowReady: boolean;
  count: number;
  onCount: (count: number) => void;
}

function Side(props: SideProps) {
  const { editing, isStill, proposing, previewing, size, rowReady, count, onCount } = props;
  const { editor, dispatch, faults, order, conflict } = editing;
  const [first, setFirst] = useState<string | null>(null);
  const now = editor.history.now;
  const rowFirst = first ?? proposedName(named(now));
  return (
    <div className="slots-side">
      {conflict && (
        <ConflictNotice
          mine={now}
          theirs={conflict.drawing}
          version={conflict.version}
          onKeep={() => {
            editing.settle("keep");
          }}
          onTake={() => {
            editing.settle("take");
          }}
        />
      )}
      {editor.tool === "row" && (
        <RowForm
          ready={rowReady}
          first={rowFirst}
          count={count}
          onFirst={setFirst}
          onCount={onCount}
          onAdd={() => {
            dispatch({ type: "add-row", first: rowFirst, count });
            setFirst(null);
          }}
        />
      )}
      {editor.selected.size > 0 && (
        <SelectionForm
          key={[...editor.selected].join()}
          slots={ofKeys(now, editor.selected)}
          drawing={now}
          faults={faults}
          dispatch={dispatch}
        />
      )}
      <PreviewForm previewing={previewing} />
      <ProposalsForm proposing={proposing} />
      <PublishForm
        order={order}
        faults={faults}
        unpublished={editing.unpublished}
        blocked={conflict !== null}
        isStill={isStill}
        unjudged={editing.unjudged}
        version={editing.published}
        onTerms={editing.setTerms}
        onSend={editing.send}
      />
      <SlotList editor={editor} faults={faults} dispatch={dispatch} />
      <VersionsPanel
        cameraId={order.cameraId}
        drawing={now}
        published={editing.published}
        dispatch={dispatch}
      />
      <FileButtons
        drawing={now}
        rest={() => exportedFields(order, Date.now())}
        cameraId={order.cameraId}
        size={size}
        dispatch={dispatch}
      />
    </div>
  );
}
