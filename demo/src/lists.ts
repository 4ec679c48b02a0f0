import { Group } from "jazz-tools";
import type { Connection } from "./connection.ts";
import { Item, Items, type ListWithItems, type Me, SharedList } from "./schema.ts";

/** Makes a list in a group of its own, with `me` as its only member, and remembers it. Returns its id. */
export function createList(me: Me, title: string): string {
  const owner = Group.create({ owner: me });
  const list = SharedList.create({ title, items: Items.create([], { owner }) }, { owner });
  rememberList(me, list.$jazz.id);
  return list.$jazz.id;
}

export function addItem(list: ListWithItems, text: string): void {
  list.items.$jazz.push(Item.create({ text, done: false }, { owner: list.$jazz.owner }));
}

/** The items' ids in order, whether the items themselves have arrived or not. */
export function itemIds(list: ListWithItems): string[] {
  return Array.from(list.items.$jazz.refs, (ref) => ref.id);
}

export function removeItem(list: ListWithItems, itemId: string): void {
  const index = itemIds(list).indexOf(itemId);
  if (index >= 0) list.items.$jazz.remove(index);
}

/** Takes the list off the account's own index; the list and its other members stay. */
export function forgetList(me: Me, listId: string): void {
  me.root.lists.$jazz.delete(listId);
}

export function hasList(me: Me, listId: string): boolean {
  return me.root.lists.$jazz.has(listId);
}

function rememberList(me: Me, listId: string): void {
  if (!hasList(me, listId)) me.root.lists.$jazz.set(listId, Date.now());
}

/** Whether `me` may hand out the list's link: it exists already, or `me` may make it. */
export function canShare(me: Me, list: ListWithItems): boolean {
  return list.inviteSecret !== undefined || me.canManage(list);
}

/** The secret of the list's one share link, made on first use. Whoever has it can read and write the list. */
export function inviteSecretOf(list: ListWithItems): string {
  if (list.inviteSecret) return list.inviteSecret;
  const secret = list.$jazz.owner.$jazz.createInvite("writer");
  list.$jazz.set("inviteSecret", secret);
  return secret;
}

/** Why a share link did not work. */
export class JoinError extends Error {
  readonly reason: "list-not-found" | "link-invalid";

  constructor(reason: JoinError["reason"], cause: unknown) {
    super(reason, { cause });
    this.reason = reason;
  }
}

/**
 * Accepts a share link and remembers the list. Waits for a connection first: without one cojson would report
 * the list as missing after a few seconds.
 * @throws JoinError
 */
export async function joinList(
  me: Me,
  connection: Connection,
  listId: string,
  secret: string,
): Promise<void> {
  await connection.whenConnected();
  const list = await acceptInvite(me, listId, secret);
  if (!list.$isLoaded) throw new JoinError("list-not-found", list.$jazz.loadingState);
  rememberList(me, list.$jazz.id);
}

async function acceptInvite(me: Me, listId: string, secret: string) {
  try {
    return await me.acceptInvite(listId, secret as `inviteSecret_z${string}`, SharedList);
  } catch (error) {
    // cojson throws plain errors; "unavailable" in the text is the only sign that the value itself is missing.
    const missing = error instanceof Error && error.message.includes("unavailable");
    throw new JoinError(missing ? "list-not-found" : "link-invalid", error);
  }
}
