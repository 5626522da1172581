import { useState } from "react";

import { ApiError } from "../../shared/api";
import { CsvButton } from "../../shared/csv-button";
import { Fault } from "../../shared/fault";
import { say } from "../../shared/language";
import { useRequest } from "../../shared/use-request";
import { changesTable } from "./change-filter";
import { CHANGE_COLUMNS, ChangeRow } from "./change-row";
import { ScrollingTable } from "./data-table";
import { tableCsv } from "./table";
import { loadChanges, type ChangesPage } from "./requests";

interface Props {
  /** The path of the first page. */
  path: string;
  file: string;
  time_zone: string;
}

export function ChangeList({ path, file, time_zone }: Props) {
  const { answer, again } = useRequest(path, loadChanges);
  if (answer.state === "loading") {
    return (
      <p className="empty muted" aria-busy="true">
        {say("changes.loading")}
      </p>
    );
  }
  if (answer.state === "failed") {
    return (
      <div className="empty" role="alert">
        <p className="fault">{answer.message}</p>
        <button type="button" className="button button-small" onClick={again}>
          {say("again")}
        </button>
      </div>
    );
  }
  return <Pages first={answer.value} file={file} time_zone={time_zone} />;
}

/** The first page, and the older ones that the user asks for. */
function Pages({ first, file, time_zone }: { first: ChangesPage; file: string; time_zone: string }) {
  const [{ rows, next }, setShown] = useState(first);
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState("");
  async function older(path: string): Promise<void> {
    setBusy(true);
    try {
      const page = await loadChanges(path, new AbortController().signal);
      setShown({ rows: [...rows, ...page.rows], next: page.next });
      setFault("");
    } catch (error) {
      setFault(error instanceof ApiError ? error.message : say("api.unreadable"));
    } finally {
      setBusy(false);
    }
  }
  const table = changesTable(rows, time_zone);
  return (
    <>
      <div className="history-count">
        <p role="status">
          {rows.length > 0 && say(next ? "changes.countMore" : "changes.count", { count: rows.length })}
        </p>
        {rows.length > 0 && <CsvButton of={say("changes.file")} file={file} csv={() => tableCsv(table)} />}
      </div>
      {rows.length === 0 && <p className="empty muted">{say("changes.none")}</p>}
      {rows.length > 0 && (
        <ScrollingTable columns={CHANGE_COLUMNS.map((column) => say(column))} label={say("changes.title")}>
          {rows.map((change) => (
            <ChangeRow key={change.id} change={change} time_zone={time_zone} />
          ))}
        </ScrollingTable>
      )}
      <Fault words={fault} />
      {next && (
        <button
          type="button"
          className="button"
          aria-disabled={busy}
          onClick={() => {
            if (!busy) void older(next);
          }}
        >
          {say(busy ? "loading" : "changes.older")}
        </button>
      )}
    </>
  );
}
