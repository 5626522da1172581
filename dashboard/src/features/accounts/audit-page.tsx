import { useEffect, useState } from "react";

import { Fault } from "../../shared/fault";
import { dateAndTime } from "../../shared/format";
import { say } from "../../shared/language";
import { faultOf, readAudit, type AuditEntry } from "./account-requests";
import "./accounts.css";

const PAGE = 100;

interface Read {
  /** Null until they were read. */
  entries: readonly AuditEntry[] | null;
  more: boolean;
  fault: string | null;
}

const NOTHING: Read = { entries: null, more: false, fault: null };

/** The entries after those that are shown. */
async function readMore(shown: Read): Promise<Read> {
  let read = shown;
  const fault = await faultOf(async () => {
    const page = await readAudit(PAGE, shown.entries?.at(-1)?.id);
    read = { entries: [...(shown.entries ?? []), ...page], more: page.length === PAGE, fault: null };
  });
  return { ...read, fault };
}

/** Who did what, newest first. */
export function AuditPage() {
  const [{ entries, more, fault }, setRead] = useState<Read>(NOTHING);
  const load = async (after: Read) => {
    setRead(await readMore(after));
  };
  useEffect(() => {
    let current = true;
    void readMore(NOTHING).then((found) => {
      if (current) setRead(found);
    });
    return () => {
      current = false;
    };
  }, []);
  return (
    <section className="card accounts-part">
      <div className="card-head">
        <h1>{say("page.audit")}</h1>
        <button type="button" className="button button-small" onClick={() => void load(NOTHING)}>
          {say("refresh")}
        </button>
      </div>
      <Fault words={fault} />
      {entries && !entries.length && <p className="muted">{say("audit.none")}</p>}
      {entries && entries.length > 0 && <AuditTable entries={entries} />}
      {more && (
        <button type="button" className="button" onClick={() => void load({ entries, more, fault })}>
          {say("audit.older")}
        </button>
      )}
    </section>
  );
}

function AuditTable({ entries }: { entries: readonly AuditEntry[] }) {
  return (
    // Scrolls sideways on a phone, and scrolling by keyboard needs the focus.
    <div className="accounts-scroll" tabIndex={0} role="region" aria-label={say("audit.entries")}>
      <table className="accounts-table">
        <thead>
          <tr>
            <th scope="col">{say("audit.when")}</th>
            <th scope="col">{say("audit.who")}</th>
            <th scope="col">{say("audit.what")}</th>
            <th scope="col">{say("lot")}</th>
            <th scope="col">{say("audit.where")}</th>
            <th scope="col">{say("audit.from")}</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <tr key={entry.id}>
              <td>{dateAndTime(entry.time_ms)}</td>
              <td>{entry.who}</td>
              <td>{entry.what}</td>
              <td>{entry.site_id}</td>
              <td>{entry.target}</td>
              <td>{entry.address}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
