/** Tables as CSV files, for spreadsheets. */
import { download } from "./download";

type Cell = string | number | null | undefined;

/** RFC 4180. A text that a spreadsheet would run as a formula gets a leading apostrophe. */
export function toCsv(rows: readonly (readonly Cell[])[]): string {
  return rows.map((row) => row.map(field).join(",") + "\r\n").join("");
}

function field(cell: Cell): string {
  const text = typeof cell === "string" && /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : String(cell ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A time in UTC, as spreadsheets read it; "" if there is none. */
export function csvTime(time_ms: number | null | undefined): string {
  return time_ms ? new Date(time_ms).toISOString().replace("T", " ").replace("Z", "") : "";
}

/** Offers the text as a file. */
export function saveCsv(name: string, text: string): void {
  // The mark tells Excel that it is UTF-8.
  download(`\uFEFF${text}`, name, "text/csv;charset=utf-8");
}
