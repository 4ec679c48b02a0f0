import type { OpenAccount } from "../account.ts";
import { commitOnEnter, el, type Part, Rows, showValue, takeFocus } from "../dom.ts";
import { addItem, canShare, forgetList, hasList, inviteSecretOf, itemIds, removeItem } from "../lists.ts";
import { HOME_HREF, inviteLink } from "../route.ts";
import { type ListWithItems, SharedList } from "../schema.ts";
import { itemRow } from "./item-row.ts";
import { type Absence, absenceOf, absenceView } from "./list-absence.ts";
import { avatar, watchName } from "./person.ts";
import { openShareDialog } from "./share-dialog.ts";

/** One list, live. Says why when it cannot be shown, and recovers by itself when that changes. */
export function listView(account: OpenAccount, listId: string): Part {
  const element = el("section", { testid: "list-page" });
  let page: ListPage | undefined;
  let loadingState = "loading";
  let shown: Absence | undefined;

  const showAbsence = () => {
    const absence = absenceOf(loadingState, account.connection.state.link);
    if (page || absence === shown) return;
    shown = absence;
    element.replaceChildren(absenceView(absence));
  };
  const stopWatching = account.connection.subscribe(showAbsence);

  const unsubscribe = SharedList.subscribe(
    listId,
    {
      resolve: { items: true },
      onError(value) {
        loadingState = value.$jazz.loadingState;
        page?.destroy();
        page = undefined;
        showAbsence();
      },
    },
    (list) => {
      if (!page) {
        page = listPage(account, list);
        shown = undefined;
        element.replaceChildren(page.element);
        // Once it is in the document, and its place in it has the focus.
        queueMicrotask(() => page?.takeFocus());
        // With the placement `root` a list's group is its own home; with others, nothing is heard of it.
        account.sprites.lookAt(list.$jazz.owner.$jazz.id);
      }
      page.update(list);
    },
  );

  return {
    element,
    destroy() {
      account.sprites.lookAt(undefined);
      unsubscribe();
      stopWatching();
      page?.destroy();
    },
  };
}

interface ListPage extends Part {
  /** Lets a new list's first item be typed at once. */
  takeFocus(): void;
  update(list: ListWithItems): void;
}

function listPage({ me, connection }: OpenAccount, first: ListWithItems): ListPage {
  let list = first;

  const title = el("textarea", { className: "title", rows: 1, maxLength: 120, testid: "list-title" });
  title.ariaLabel = "Title of the list";
  commitOnEnter(
    title,
    () => list.title,
    (text) => list.$jazz.set("title", text),
  );

  const share = el("button", { className: "primary", testid: "share" }, "Share");
  share.addEventListener("click", () =>
    openShareDialog(inviteLink(location.href, list.$jazz.id, inviteSecretOf(list)), connection),
  );

  const people = el("ul", { className: "people", testid: "people" });
  people.ariaLabel = "People on this list";
  const peopleRows = new Rows(people, personRow);

  const items = el("ul", { className: "items", testid: "items" });
  const itemRows = new Rows(items, (itemId) => itemRow(itemId, () => removeItem(list, itemId)));
  const empty = el(
    "p",
    { className: "empty", testid: "no-items" },
    "Nothing on it yet. Add the first item below.",
  );
  const forget = el("button", { className: "quiet small", testid: "forget-list" }, "Remove from my lists");
  forget.addEventListener("click", () => {
    forgetList(me, list.$jazz.id);
    location.hash = HOME_HREF;
  });

  const newItem = newItemForm((text) => addItem(list, text));
  const alone = el(
    "p",
    { className: "muted", testid: "alone" },
    "Only you can open this list. Share gives you the link for others: the address above is yours alone.",
  );

  return {
    element: el(
      "article",
      {},
      el("a", { className: "back", href: HOME_HREF, testid: "back" }, "← My lists"),
      el("div", { className: "row list-head" }, title, share),
      people,
      alone,
      items,
      empty,
      newItem,
      el("p", { className: "end" }, forget),
    ),
    takeFocus() {
      // In a list with items, an open keyboard would be in the way.
      const field = newItem.querySelector("input");
      if (field && itemIds(list).length === 0 && document.activeElement?.localName === "main")
        takeFocus(field);
    },
    update(next) {
      list = next;
      showValue(title, list.title);
      document.title = `${list.title} · Shared lists`;
      share.hidden = !canShare(me, list);
      forget.hidden = !hasList(me, list.$jazz.id);
      alone.hidden = share.hidden || list.$jazz.owner.members.length > 1;
      peopleRows.show(list.$jazz.owner.members.map(({ id }) => id));
      const ids = itemIds(list);
      itemRows.show(ids);
      empty.hidden = ids.length > 0;
    },
    destroy() {
      itemRows.destroy();
      peopleRows.destroy();
    },
  };
}

function personRow(accountId: string): Part {
  const image = avatar(accountId);
  image.element.ariaHidden = "true";
  const name = el("span", {});
  const stopWatching = watchName(accountId, (current) => {
    name.textContent = current;
  });
  return {
    element: el("li", { testid: "person" }, image.element, name),
    destroy() {
      image.destroy();
      stopWatching();
    },
  };
}

function newItemForm(onText: (text: string) => void): HTMLElement {
  const text = el("input", {
    id: "new-item",
    testid: "new-item",
    maxLength: 500,
    placeholder: "Add an item",
    autocomplete: "off",
    enterKeyHint: "done",
  });
  const form = el(
    "form",
    { className: "row" },
    el("label", { htmlFor: "new-item", className: "visually-hidden" }, "New item"),
    text,
    el("button", { className: "primary", testid: "new-item-add" }, "Add"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!text.value.trim()) return;
    onText(text.value.trim());
    text.value = "";
  });
  return form;
}
