import { Component, type ReactNode } from "react";
import { say } from "../shared/language";

interface Props {
  children: ReactNode;
}

/** Shows an error message if the page itself fails, instead of an empty page. */
export class ErrorBoundary extends Component<Props, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children;
    return (
      <main className="page">
        <section className="card notice" role="alert">
          <h1>{say("failed.title")}</h1>
          <p>{say("failed.todo")}</p>
          <button
            type="button"
            className="button button-main"
            onClick={() => {
              window.location.reload();
            }}
          >
            {say("failed.reload")}
          </button>
        </section>
      </main>
    );
  }
}
