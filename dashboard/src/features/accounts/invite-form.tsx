import { useState } from "react";

import { Fault } from "../../shared/fault";
import type { Roles } from "../../shared/session";
import { useProvider } from "../../shared/use-session";
import { invite, type Link } from "./account-requests";
import { RolesForm } from "./roles-form";
import { TextField } from "./text-field";
import { useSubmit } from "./use-submit";

/** Creates an account without a password, and a link to choose one. */
export function InviteForm({ onLink }: { onLink: (link: Link) => void }) {
  const [name, setName] = useState("");
  const [roles, setRoles] = useState<Roles>({});
  const { busy, fault, run } = useSubmit();
  const provider = useProvider();
  return (
    <form
      className="card accounts-part"
      aria-labelledby="invite-title"
      onSubmit={(event) => {
        event.preventDefault();
        run(
          async () => {
            onLink(await invite(name, roles));
          },
          () => {
            setName("");
            setRoles({});
          },
        );
      }}
    >
      <h2 id="invite-title">Invite somebody</h2>
      <TextField
        label="Name or e-mail address"
        autoComplete="off"
        hint={`a-z, 0-9 and . _ @ -${provider ? `. With the e-mail address at ${provider}, the person can sign in there and needs no link.` : ""}`}
        value={name}
        onValue={setName}
      />
      <fieldset className="accounts-fieldset">
        <legend>Roles</legend>
        <RolesForm roles={roles} onRoles={setRoles} />
      </fieldset>
      <Fault words={fault} />
      <button type="submit" className="button button-main" aria-disabled={busy}>
        Create the invitation
      </button>
    </form>
  );
}
