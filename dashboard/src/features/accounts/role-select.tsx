import type { Role } from "../../shared/session";

const ROLES: readonly Role[] = ["viewer", "operator", "admin"];
const WORDS: Record<Role, string> = {
  viewer: "Viewer: looks",
  operator: "Operator: closes, corrects, counts",
  admin: "Admin: sets up cameras and devices",
};

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
        <option value="">None</option>
        {ROLES.map((each) => (
          <option key={each} value={each}>
            {WORDS[each]}
          </option>
        ))}
      </select>
    </label>
  );
}
