import { useState } from "react";

import { Fault } from "../../shared/fault";
import { say } from "../../shared/language";
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
      <h2 id="invite-title">{say("invite.title")}</h2>
      <TextField
        label={say("invite.name")}
        autoComplete="off"
        hint={provider ? say("invite.hintProvider", { provider }) : say("invite.hint")}
        value={name}
        onValue={setName}
      />
      <fieldset className="accounts-fieldset">
        <legend>{say("invite.roles")}</legend>
        <RolesForm roles={roles} onRoles={setRoles} />
      </fieldset>
      <Fault words={fault} />
      <button type="submit" className="button button-main" aria-disabled={busy}>
        {say("invite.create")}
      </button>
    </form>
  );
}
