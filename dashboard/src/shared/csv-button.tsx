import { saveCsv } from "./csv";
import { say } from "./language";

interface Props {
  /** What it saves, if the page has several such buttons. */
  of?: string;
  /** The file's name without its ending. */
  file: string;
  csv: () => string;
}

/** Saves a table as a file. */
export function CsvButton({ of, file, csv }: Props) {
  return (
    <button
      type="button"
      className="button button-small"
      aria-label={of && say("csv.of", { of })}
      onClick={() => {
        saveCsv(`${file}.csv`, csv());
      }}
    >
      {say("csv")}
    </button>
  );
}
