/** What went wrong, announced at once; nothing if nothing did. */
export function Fault({ words }: { words: string | null }) {
  if (!words) return null;
  return (
    <p className="fault" role="alert">
      {words}
    </p>
  );
}
