/** Before the first snapshot, and when there is no site at all. */
export function EmptyState({ loaded }: { loaded: boolean }) {
  if (!loaded) {
    return (
      <div aria-busy="true">
        <p className="visually-hidden">Loading the lots</p>
        <div className="skeleton skeleton-summary" />
        <div className="skeleton skeleton-plan" />
      </div>
    );
  }
  return (
    <section className="card notice">
      <h1>No lot yet</h1>
      <p>
        A lot appears here by itself as soon as the first layout is published: the list of a
        camera’s slots, drawn as outlines on its picture.
      </p>
      <ol>
        <li>Let the camera send pictures; it then shows up here with the status “no layout”.</li>
        <li>
          Publish its layout: <code>python -m parking layout publish FILE.json</code>
        </li>
      </ol>
      <p className="muted">No camera at hand? The demo site needs none: <code>make run</code>.</p>
    </section>
  );
}
