import { useEffect, useState } from "react";

import { Fault } from "../../shared/fault";
import { say } from "../../shared/language";
import { faultOf, listAccounts, type AccountView, type Link } from "./account-requests";
import { AccountRow } from "./account-row";
import "./accounts.css";
import { InviteForm } from "./invite-form";
import { ShownLink } from "./shown-link";

interface Read {
  accounts: readonly AccountView[] | null;
  fault: string | null;
}

async function read(): Promise<Read> {
  let accounts: readonly AccountView[] | null = null;
  const fault = await faultOf(async () => {
    accounts = await listAccounts();
  });
  return { accounts, fault };
}

/** Accounts, for administrators of all lots. */
export function AccountsPage() {
  const [{ accounts, fault }, setRead] = useState<Read>({ accounts: null, fault: null });
  const [link, setLink] = useState<Link | null>(null);
  const load = async () => {
    setRead(await read());
  };
  useEffect(() => {
    let current = true;
    void read().then((found) => {
      if (current) setRead(found);
    });
    return () => {
      current = false;
    };
  }, []);
  const show = (created: Link) => {
    setLink(created);
    void load();
  };
  return (
    <div className="accounts">
      <section className="card accounts-part">
        <h1>{say("page.accounts")}</h1>
        <Fault words={fault} />
        {link && <ShownLink key={link.token} link={link} />}
        {!accounts && !fault && <p className="muted">{say("accounts.loading")}</p>}
        <ul className="accounts-list">
          {accounts?.map((account) => (
            <AccountRow
              key={`${account.name} ${JSON.stringify(account.roles)}`}
              account={account}
              onChange={load}
              onLink={show}
            />
          ))}
        </ul>
      </section>
      <InviteForm onLink={show} />
    </div>
  );
}
