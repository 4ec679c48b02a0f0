import { co, Group, setDefaultValidationMode, z } from "jazz-tools";

// The default of jazz-tools' next version: a value that does not fit its schema is refused when written.
setDefaultValidationMode("strict");

export const Item = co.map({
  text: z.string(),
  done: z.boolean(),
});

export const Items = co.list(Item);

/** A list, its items and its invite all belong to one group, so everything about it has one home. */
export const SharedList = co.map({
  title: z.string(),
  items: Items,
  /**
   * Secret of the share link, made when somebody first shares. It lives inside the list because every member may
   * pass the link on; the list is encrypted for its members, and each of them is a writer already.
   */
  inviteSecret: z.string().optional(),
});

/**
 * Which lists the account has: list id → when it was added (ms since 1970). Ids instead of references, because each
 * list is loaded by itself; keyed, because two windows may add the same list at once.
 */
export const ListIndex = co.record(z.string(), z.number());

/** What only the account's owner sees. */
export const PrivateRoot = co.map({ lists: ListIndex });

export const DemoAccount = co
  .account({ profile: co.profile(), root: PrivateRoot })
  .withMigration((account, creationProps) => {
    if (!account.$jazz.has("root")) {
      const owner = Group.create({ owner: account });
      account.$jazz.set("root", PrivateRoot.create({ lists: ListIndex.create({}, { owner }) }, { owner }));
    }
    if (!account.$jazz.has("profile") && creationProps) {
      const owner = Group.create({ owner: account }).makePublic();
      account.$jazz.set("profile", co.profile().create({ name: creationProps.name }, { owner }));
    }
  });

export type LoadedItem = co.loaded<typeof Item>;
export type ListWithItems = co.loaded<typeof SharedList, { items: true }>;
export type Me = co.loaded<typeof DemoAccount, { profile: true; root: { lists: true } }>;
