import { say } from "../../shared/language";
import type { Roles } from "../../shared/session";
import { useSites } from "../../shared/use-live";
import { withRole } from "./account-requests";
import { RoleSelect } from "./role-select";

interface Props {
  roles: Roles;
  onRoles: (roles: Roles) => void;
}

/** An account's role at all lots, and at each lot. The higher role applies. */
export function RolesForm({ roles, onRoles }: Props) {
  const sites = Object.values(useSites());
  const known = new Set(sites.map((site) => site.site_id));
  const others = Object.keys(roles).filter((site) => site !== "*" && !known.has(site));
  const rows = [
    { id: "*", name: say("role.all") },
    ...sites.map((site) => ({ id: site.site_id, name: site.name })),
    ...others.map((id) => ({ id, name: id })),
  ];
  return (
    <div className="accounts-roles">
      {rows.map(({ id, name }) => (
        <RoleSelect
          key={id}
          label={name}
          role={roles[id] ?? null}
          onRole={(role) => {
            onRoles(withRole(roles, id, role));
          }}
        />
      ))}
    </div>
  );
}
