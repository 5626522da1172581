import { describe, expect, it } from "vitest";

import { beforeMerge, begin, commit, redo, undo, type History } from "./history";

function back<T>(history: History<T>, times: number): History<T> {
  return times === 0 ? history : back(undo(history) ?? history, times - 1);
}

describe("history", () => {
  it("undoes and redoes any number of steps", () => {
    let history = begin(0);
    for (let i = 1; i <= 500; i++) history = commit(history, i, `to ${i}`);
    const start = back(history, 500);
    expect(start.now).toBe(0);
    expect(undo(start)).toBeNull();
    let again: History<number> | null = start;
    for (let i = 0; i < 500; i++) again = again && redo(again);
    expect(again?.now).toBe(500);
    expect(again && redo(again)).toBeNull();
  });

  it("discards undone steps after a new step", () => {
    const history = commit(back(commit(begin("a"), "b", "b"), 1), "c", "c");
    expect(redo(history)).toBeNull();
    expect(undo(history)?.now).toBe("a");
  });

  it("undoes merged steps together", () => {
    let history = begin(0);
    for (let i = 1; i <= 9; i++) history = commit(history, i, "moved", "move 3");
    history = commit(history, 10, "moved", "move 4");
    expect(undo(history)?.now).toBe(9);
    expect(back(history, 2).now).toBe(0);
  });

  it("knows the value before merged steps", () => {
    const history = commit(commit(begin("a"), "b", "moved", "drag 1"), "c", "moved", "drag 1");
    expect(beforeMerge(history, "drag 1")).toBe("a");
    expect(beforeMerge(history, "drag 2")).toBe("c");
    expect(beforeMerge(begin("a"), "drag 1")).toBe("a");
  });

  it("ignores a step that changes nothing", () => {
    const history = begin("a");
    expect(commit(history, "a", "nothing")).toBe(history);
  });
});
