type Properties<K extends keyof HTMLElementTagNameMap> = Partial<HTMLElementTagNameMap[K]> & {
  testid?: string;
};

/** An element with properties (not attributes), an optional `data-testid`, and children. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { testid, ...properties }: Properties<K> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  if (testid) element.dataset.testid = testid;
  element.append(...children);
  return element;
}

/** Moves the focus to `element` if nothing has it, as when what had it was removed. Whoever types elsewhere is left alone. */
export function takeFocus(element: HTMLElement): void {
  const { activeElement } = document;
  if (activeElement && activeElement !== document.body && activeElement.localName !== "main") return;
  element.focus({ preventScroll: true });
}

/** A piece of the page with subscriptions behind it. */
export interface Part {
  readonly element: HTMLElement;
  destroy(): void;
}

/**
 * Keeps `parent`'s children in step with a list of ids, one row for each. Rows are moved only when their place
 * changed, so that focus and half-typed text survive what others do.
 */
export class Rows {
  private readonly parent: HTMLElement;
  private readonly create: (id: string) => Part;
  private rows = new Map<string, Part>();

  constructor(parent: HTMLElement, create: (id: string) => Part) {
    this.parent = parent;
    this.create = create;
  }

  show(ids: readonly string[]): void {
    const next = new Map<string, Part>();
    for (const id of ids) next.set(id, this.rows.get(id) ?? this.create(id));
    for (const [id, row] of this.rows) {
      if (!next.has(id)) this.remove(row);
    }
    this.rows = next;
    this.order();
  }

  destroy(): void {
    this.show([]);
  }

  /** Removes a row; a button in it that has the focus hands it to the same button of the next one. */
  private remove(row: Part): void {
    const focused = document.activeElement;
    const name = focused instanceof HTMLButtonElement ? focused.dataset.testid : undefined;
    const heir = row.element.contains(focused) && name ? neighbour(row.element) : undefined;
    row.destroy();
    row.element.remove();
    heir?.querySelector<HTMLElement>(`[data-testid=${name}]`)?.focus();
  }

  private order(): void {
    let place = this.parent.firstElementChild;
    for (const { element } of this.rows.values()) {
      if (element === place) place = place.nextElementSibling;
      else this.parent.insertBefore(element, place);
    }
  }
}

function neighbour(row: HTMLElement): Element | undefined {
  return row.nextElementSibling ?? row.previousElementSibling ?? undefined;
}

/** Shows the value of a field unless somebody is typing in it; what they typed is theirs until they leave it. */
export function showValue(field: HTMLInputElement | HTMLTextAreaElement, value: string): void {
  if (document.activeElement !== field && field.value !== value) field.value = value;
}

/**
 * Makes Enter (and leaving the field) commit and Escape take back. An empty or unchanged text is never committed.
 * @param stored the text as it is stored now.
 */
export function commitOnEnter(
  field: HTMLInputElement | HTMLTextAreaElement,
  stored: () => string,
  commit: (text: string) => void,
): void {
  const before = { text: "" };
  field.addEventListener("focus", () => {
    before.text = field.value;
  });
  field.addEventListener("blur", () => {
    const text = field.value.trim();
    if (text && text !== before.text) commit(text);
    field.value = stored();
  });
  field.addEventListener("keydown", (event) => {
    const key = (event as KeyboardEvent).key;
    if ((event as KeyboardEvent).isComposing || (key !== "Enter" && key !== "Escape")) return;
    event.preventDefault();
    if (key === "Escape") field.value = before.text;
    field.blur();
  });
}
