import { forgetAccount, hasAccount, onAccountMadeElsewhere, openAccount } from "./account.ts";
import { el, takeFocus } from "./dom.ts";
import { parseRoute } from "./route.ts";
import { syncAddress } from "./sync-address.ts";
import { type Problem, problemView, reloadButton } from "./views/problem.ts";
import { showShell } from "./views/shell.ts";
import { welcomeView } from "./views/welcome.ts";

const app = document.getElementById("app");
if (app) {
  start(app).catch((error: unknown) => {
    console.error("The page could not start:", error);
    showProblem(app, accountProblem(error));
  });
}

async function start(app: HTMLElement): Promise<void> {
  const obstacle = findObstacle();
  if (obstacle) {
    showProblem(app, obstacle);
    return;
  }
  const isNew = !(await hasAccount());
  const name = isNew ? await askName(app) : undefined;
  app.replaceChildren(el("p", { className: "empty", role: "status" }, "Opening your account…"));
  showShell(app, await openAccount(name));
  // The welcome page had the focus, and is gone.
  const first = app.querySelector<HTMLElement>("main input") ?? app.querySelector<HTMLElement>("main");
  if (isNew && first) takeFocus(first);
}

function showProblem(app: HTMLElement, problem: Problem): void {
  app.replaceChildren(el("main", {}, problemView(problem)));
}

/** What keeps the page from working before any account is touched. */
function findObstacle(): Problem | undefined {
  // jazz-tools needs the Web Locks API, which browsers offer to secure contexts only.
  if (!("locks" in navigator)) {
    return {
      kind: "not-secure",
      title: "This page needs a secure address",
      text: "It works over https:// or on localhost only, because browsers keep accounts safe only there.",
      actions: [reloadButton()],
    };
  }
  try {
    syncAddress(location.href);
    return undefined;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { kind: "bad-sync-address", title: "The address is not right", text, actions: [reloadButton()] };
  }
}

function askName(app: HTMLElement): Promise<string> {
  return new Promise((resolve) => {
    const stopWatching = onAccountMadeElsewhere(() => location.reload());
    const invited = parseRoute(location.hash).page === "invite";
    const onName = (name: string) => {
      stopWatching();
      resolve(name);
    };
    app.replaceChildren(el("main", {}, welcomeView({ invited, onName })));
  });
}

function accountProblem(error: unknown): Problem {
  const startOver = el("button", { testid: "start-over" }, "Start over with a new account");
  startOver.addEventListener("click", async () => {
    if (!confirm("This browser forgets the account it has now, for good. Continue?")) return;
    await forgetAccount();
    location.reload();
  });
  return {
    kind: "start-failed",
    title: "Your account could not be opened",
    text: error instanceof Error ? error.message : "Something unexpected happened.",
    actions: [reloadButton(), startOver],
  };
}
