import { apiUrl } from "../../shared/api";
import type { Group } from "./fleet";

const NAMED = 5;

/** What is slow or broken, and what to do: one line for each kind of problem. */
export function Remedies({ groups }: { groups: readonly Group[] }) {
  if (groups.length === 0) return null;
  return (
    <section className="card" aria-labelledby="remedies-title">
      <div className="card-head">
        <h2 id="remedies-title">What to do</h2>
      </div>
      <ul className="remedies">
        {groups.map(({ entry, rows }) => (
          <li key={entry.kind} className={`remedy remedy-${entry.level}`}>
            <p>
              <strong>{entry.title}</strong>: {namesOf(rows)}
            </p>
            <p className="small">
              {entry.what} {entry.todo}{" "}
              <a href={apiUrl(`/docs/${entry.page}`)}>
                {entry.page}, “{entry.section}”
              </a>
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

function namesOf(rows: Group["rows"]): string {
  const names = rows.slice(0, NAMED).map((row) => row.name);
  const more = rows.length - names.length;
  return `${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
