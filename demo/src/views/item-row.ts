import { commitOnEnter, el, type Part, showValue } from "../dom.ts";
import { Item, type LoadedItem } from "../schema.ts";
import { avatar } from "./person.ts";

/**
 * One item: tick it, change its text in place, see who added it, delete it. It loads by itself, so that an item that
 * has not arrived yet holds up neither the list nor its neighbours.
 */
export function itemRow(itemId: string, onDelete: () => void): Part {
  let item: LoadedItem | undefined;
  let author: Part | undefined;

  const done = el("input", { type: "checkbox", disabled: true, testid: "item-done" });
  done.addEventListener("change", () => item?.$jazz.set("done", done.checked));

  const text = el("textarea", {
    className: "item-text",
    rows: 1,
    maxLength: 500,
    readOnly: true,
    testid: "item-text",
  });
  text.ariaLabel = "Text of the item";
  commitOnEnter(
    text,
    () => item?.text ?? "",
    (changed) => item?.$jazz.set("text", changed),
  );

  const remove = el("button", { className: "quiet icon", testid: "item-delete", onclick: onDelete }, "✕");
  remove.ariaLabel = "Delete this item";
  const element = el("li", { className: "item", testid: "item" }, done, text, remove);

  const unsubscribe = Item.subscribe(
    itemId,
    {
      onError() {
        text.placeholder = "Has not arrived yet";
      },
    },
    (loaded) => {
      item = loaded;
      done.disabled = false;
      done.checked = loaded.done;
      done.ariaLabel = `Done: ${loaded.text}`;
      text.readOnly = false;
      showValue(text, loaded.text);
      remove.ariaLabel = `Delete ${loaded.text}`;
      element.classList.toggle("done", loaded.done);
      if (!author && loaded.$jazz.createdBy) {
        author = avatar(loaded.$jazz.createdBy);
        element.insertBefore(author.element, remove);
      }
    },
  );

  return {
    element,
    destroy() {
      unsubscribe();
      author?.destroy();
    },
  };
}
