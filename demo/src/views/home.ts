import { el, type Part, Rows } from "../dom.ts";
import { createList, forgetList } from "../lists.ts";
import { listHref } from "../route.ts";
import { DemoAccount, type Me, SharedList } from "../schema.ts";

/** All lists of the account, newest first, and a field to make another. */
export function homeView(me: Me): Part {
  const cards = el("ul", { className: "cards", testid: "my-lists" });
  const empty = el(
    "p",
    { className: "empty", testid: "no-lists", hidden: true },
    "No lists yet. Make your first one above, then share its link.",
  );
  const rows = new Rows(cards, (listId) => listCard(me, listId));

  const unsubscribe = DemoAccount.subscribe(
    me.$jazz.id,
    { resolve: { root: { lists: true } } },
    ({ root }) => {
      const newestFirst = Object.entries(root.lists).sort(([, one], [, other]) => other - one);
      const ids = newestFirst.map(([listId]) => listId);
      rows.show(ids);
      empty.hidden = ids.length > 0;
    },
  );

  return {
    element: el("section", { testid: "home" }, el("h1", {}, "My lists"), newListForm(me), cards, empty),
    destroy() {
      unsubscribe();
      rows.destroy();
    },
  };
}

function newListForm(me: Me): HTMLElement {
  const title = el("input", {
    id: "new-list",
    testid: "new-list-title",
    maxLength: 120,
    required: true,
    placeholder: "Title of a new list",
    autocomplete: "off",
  });
  const form = el(
    "form",
    { className: "row" },
    el("label", { htmlFor: "new-list", className: "visually-hidden" }, "Title of a new list"),
    title,
    el("button", { className: "primary", testid: "new-list-create" }, "Create list"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (title.value.trim()) location.hash = listHref(createList(me, title.value.trim()));
  });
  return form;
}

/** Each card loads its own list: a list whose home is slow or gone must not hold up the others. */
function listCard(me: Me, listId: string): Part {
  const title = el("span", { className: "card-title" }, "Loading…");
  const detail = el("span", { className: "muted" });
  const remove = el(
    "button",
    { className: "quiet", hidden: true, testid: "forget-list", onclick: () => forgetList(me, listId) },
    "Remove",
  );
  const destroy = SharedList.subscribe(
    listId,
    {
      resolve: { items: true },
      onError() {
        title.textContent = "A list that cannot be loaded now";
        detail.textContent = "It may have no connection, or it is gone.";
        remove.hidden = false;
      },
    },
    (list) => {
      const count = list.items.length;
      title.textContent = list.title;
      detail.textContent = count === 1 ? "1 item" : `${count} items`;
      remove.hidden = true;
    },
  );
  const link = el(
    "a",
    { className: "card-link", href: listHref(listId), testid: "list-link" },
    title,
    detail,
  );
  return { element: el("li", { className: "card list-card" }, link, remove), destroy };
}
