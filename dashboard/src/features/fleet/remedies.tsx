import { apiUrl } from "../../shared/api";
import { say } from "../../shared/language";
import type { Group } from "./fleet";
import { problemWords } from "./problems";

const NAMED = 5;

/** What is slow or broken, and what to do: one line for each kind of problem. */
export function Remedies({ groups }: { groups: readonly Group[] }) {
  if (groups.length === 0) return null;
  return (
    <section className="card" aria-labelledby="remedies-title">
      <div className="card-head">
        <h2 id="remedies-title">{say("remedies.title")}</h2>
      </div>
      <ul className="remedies">
        {groups.map(({ entry, rows }) => (
          <li key={entry.kind} className={`remedy remedy-${entry.level}`}>
            <p>
              <strong>{problemWords("title", entry.kind)}</strong>: {namesOf(rows)}
            </p>
            <p className="small">
              {problemWords("what", entry.kind)} {problemWords("todo", entry.kind)}{" "}
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
  return more > 0 ? say("remedies.more", { names: names.join(", "), more }) : names.join(", ");
}
