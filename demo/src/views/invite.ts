import type { OpenAccount } from "../account.ts";
import { el, type Part } from "../dom.ts";
import { JoinError, joinList } from "../lists.ts";
import { listHref } from "../route.ts";
import { homeLink, type Problem, problemView, reloadButton } from "./problem.ts";

/** Accepts a share link, then moves on to the list; the secret does not stay in the address bar or the history. */
export function inviteView({ me, connection }: OpenAccount, listId: string, secret: string): Part {
  const message = el("p", { className: "empty", role: "status", testid: "joining" });
  const element = el("section", {}, message);
  let left = false;
  const unsubscribe = connection.subscribe(({ link }) => {
    message.textContent =
      link === "connected" ? "Joining the list…" : "Waiting for a connection to join the list…";
  });

  joinList(me, connection, listId, secret).then(
    () => {
      if (!left) location.replace(listHref(listId));
    },
    (error: unknown) => {
      console.warn("The share link could not be used:", error);
      const reason = error instanceof JoinError ? error.reason : "link-invalid";
      element.replaceChildren(problemView(PROBLEMS[reason]()));
    },
  );

  return {
    element,
    destroy() {
      left = true;
      unsubscribe();
    },
  };
}

const PROBLEMS: Record<JoinError["reason"], () => Problem> = {
  "list-not-found": () => ({
    kind: "not-found",
    title: "This list was not found",
    text: "The link may be incomplete, or its author has not been online since making it. Try again in a moment.",
    actions: [reloadButton(), homeLink()],
  }),
  "link-invalid": () => ({
    kind: "link-invalid",
    title: "This link does not open the list",
    text: "It may be incomplete or no longer valid. Copy the whole link once more, or ask for a new one.",
    actions: [homeLink(), reloadButton()],
  }),
};
