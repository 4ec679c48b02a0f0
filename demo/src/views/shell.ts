import type { OpenAccount } from "../account.ts";
import { el, type Part, takeFocus } from "../dom.ts";
import { HOME_HREF, parseRoute } from "../route.ts";
import { homeView } from "./home.ts";
import { inviteView } from "./invite.ts";
import { listView } from "./list.ts";
import { openNameDialog } from "./name-dialog.ts";
import { avatar, watchName } from "./person.ts";
import { homeLink, problemView } from "./problem.ts";
import { statusStrip } from "./status-strip.ts";

/** The page around everything: header, status strip, and the view the address asks for. */
export function showShell(app: HTMLElement, account: OpenAccount): void {
  // So that the focus has a place to go when what had it is removed; Tab goes on from there.
  const main = el("main", { tabIndex: -1 });
  app.replaceChildren(header(account), statusStrip(account), main);

  let view: Part | undefined;
  const show = () => {
    view?.destroy();
    document.title = "Shared lists";
    view = viewFor(account, location.hash);
    main.replaceChildren(view.element);
  };
  window.addEventListener("hashchange", () => {
    show();
    takeFocus(main);
  });
  show();
}

function header({ me }: OpenAccount): HTMLElement {
  const name = el("span", { testid: "my-name" }, me.profile.name);
  watchName(me.$jazz.id, (current) => {
    name.textContent = current;
  });
  const button = el("button", { className: "quiet me", testid: "me", onclick: () => openNameDialog(me) });
  button.title = "Change your name";
  button.append(avatar(me.$jazz.id).element, name);
  return el(
    "header",
    { className: "top" },
    el("a", { className: "brand", href: HOME_HREF }, "Shared lists"),
    button,
  );
}

function viewFor(account: OpenAccount, hash: string): Part {
  const route = parseRoute(hash);
  if (route.page === "home") return homeView(account.me);
  if (route.page === "list") return listView(account, route.listId);
  if (route.page === "invite") return inviteView(account, route.listId, route.secret);
  const element = problemView({
    kind: "bad-link",
    title: "This link is not complete",
    text: "Part of the address is missing or mistyped. Copy the whole link once more.",
    actions: [homeLink()],
  });
  return { element, destroy: () => {} };
}
