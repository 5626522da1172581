import { useId, useState, type ReactNode } from "react";

import { CsvButton } from "../../shared/csv-button";
import { small } from "../../shared/format";
import { say } from "../../shared/language";
import { tableCsv, type Table } from "./table";
import { DataTable } from "./data-table";

interface Props {
  title: string;
  /** The file's name without its ending. */
  file: string;
  /** Everything that the picture shows. It is the picture's text alternative and the content of the
   * file. */
  table: Table;
  /** Shown below the title. */
  note?: ReactNode;
  /** The picture's name on its button. */
  picture?: string;
  /** Without one, the table is always shown. */
  children?: ReactNode;
  /** The numbers are not there yet. */
  waiting?: boolean;
}

/** A card that shows numbers as a picture and as a table, and offers them as a file. */
export function DataPanel({ title, file, table, note, picture, children, waiting = false }: Props) {
  const [view, setView] = useState<"picture" | "table">("picture");
  const id = useId();
  const empty = table.rows.length === 0;
  return (
    <section className="card history-panel" aria-labelledby={id}>
      <div className="card-head">
        <h2 id={id}>{title}</h2>
        {!empty && (
          <div className="history-tools">
            {children !== undefined && (
              <div className="segments" role="group" aria-label={say("data.showAs", { title: small(title) })}>
                {(["picture", "table"] as const).map((each) => (
                  <button
                    key={each}
                    type="button"
                    aria-pressed={view === each}
                    onClick={() => {
                      setView(each);
                    }}
                  >
                    {each === "picture" ? (picture ?? say("chart")) : say("table")}
                  </button>
                ))}
              </div>
            )}
            <CsvButton of={title} file={file} csv={() => tableCsv(table)} />
          </div>
        )}
      </div>
      {note}
      {empty && !waiting && <p className="empty muted">{say("data.none")}</p>}
      {!empty && (view === "table" || children === undefined) && <DataTable table={table} label={title} />}
      {!empty && view === "picture" && children}
    </section>
  );
}
