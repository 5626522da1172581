import { say } from "../../shared/language";
import type { Role } from "../../shared/session";

const ROLES: readonly Role[] = ["viewer", "operator", "admin"];

interface Props {
  label: string;
  role: Role | null;
  onRole: (role: Role | null) => void;
}

/** Chooses a role; "none" is null. */
export function RoleSelect({ label, role, onRole }: Props) {
  return (
    <label className="field">
      {label}
      <select
        value={role ?? ""}
        onChange={(event) => {
          onRole(ROLES.find((each) => each === event.target.value) ?? null);
        }}
      >
        <option value="">{say("role.none")}</option>
        {ROLES.map((each) => (
          <option key={each} value={each}>
            {say(`role.may.${each}`)}
          </option>
        ))}
      </select>
    </label>
  );
}
