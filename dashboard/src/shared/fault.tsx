/** Shows what went wrong, announced at once, or nothing. */
export function Fault({ words }: { words: string | null }) {
  if (!words) return null;
  return (
    <p className="fault" role="alert">
      {words}
    </p>
  );
}
