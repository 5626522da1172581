import { useState } from "react";

import { say } from "../../shared/language";
import { useProvider } from "../../shared/use-session";
import {
  changeRoles,
  removeAccount,
  resetPassword,
  roleWords,
  type AccountView,
  type Link,
} from "./account-requests";
import { RolesForm } from "./roles-form";
import { useSubmit } from "./use-submit";

interface Props {
  account: AccountView;
  onChange: () => Promise<void>;
  onLink: (link: Link) => void;
}

type Open = "roles" | "remove" | null;

/** An account and the actions on it. */
export function AccountRow({ account, onChange, onLink }: Props) {
  const { name } = account;
  const [open, setOpen] = useState<Open>(null);
  const [roles, setRoles] = useState(account.roles);
  const { busy, fault, run } = useSubmit();
  const provider = useProvider() ?? "OpenID Connect";
  const isNew = account.invited && !account.linked;
  const button = (text: string, action: () => void) => (
    <button type="button" className="button button-small" aria-disabled={busy} onClick={action}>
      {text}
      <span className="visually-hidden">: {name}</span>
    </button>
  );
  return (
    <li className="accounts-row" data-testid={`account-${name}`}>
      <div>
        <strong>{name}</strong>
        {isNew && <span className="muted"> ({say("accounts.invited")})</span>}
        {account.linked && <span className="muted"> ({say("accounts.linked", { provider })})</span>}
        <p className="small muted">{roleWords(account.roles)}</p>
      </div>
      <div className="accounts-actions">
        {button(say("accounts.changeRoles"), () => {
          setOpen(open === "roles" ? null : "roles");
        })}
        {button(say(isNew ? "accounts.inviteAgain" : "accounts.reset"), () => {
          run(async () => {
            onLink(await resetPassword(name));
          });
        })}
        {button(say("accounts.remove"), () => {
          setOpen(open === "remove" ? null : "remove");
        })}
      </div>
      {open === "roles" && (
        <div className="accounts-open">
          <RolesForm roles={roles} onRoles={setRoles} />
          {button(say("accounts.saveRoles"), () => {
            run(
              () => changeRoles(name, roles),
              () => void onChange(),
            );
          })}
        </div>
      )}
      {open === "remove" && (
        <div className="accounts-open">
          <p>{say("accounts.removeWarning", { name })}</p>
          {button(say("accounts.removeAccount"), () => {
            run(
              () => removeAccount(name),
              () => void onChange(),
            );
          })}
        </div>
      )}
      {fault && (
        <p className="fault accounts-open" role="alert">
          {fault}
        </p>
      )}
    </li>
  );
}
