import type { RawCoID } from "cojson";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { KnownState } from "../../shared/known-state.ts";
import type { SpriteStorage } from "../../sprite/sprite.ts";
import { openStorage } from "../../sprite/storage/index.ts";
import { until } from "../support/until.ts";
import { type Actor, actor, comeOnline, give, groupAt, writeInto } from "./roles.ts";
import { crypto, startSprite, temporaryDirectory } from "./support.ts";

const NOTHING_FOR_STRANGERS = { strangerBytes: 0, strangerValues: 0 };

interface World {
  readonly home: RawCoID;
  readonly actors: Record<string, Actor>;
  /** Values that have to be stored in the end. */
  readonly wanted: RawCoID[];
  /** Values that must not. */
  readonly unwanted: RawCoID[];
  /** Gives the roles. */
  grant(): Promise<void>;
}

/** Every way to get a role, and strangers. Nobody has more of others than they need to write. */
function world(): World {
  const owner = actor("owner");
  const home = owner.node.createGroup();
  writeInto(owner, home.id);
  // Writes offline, before anybody has heard of its role.
  const newcomer = actor("newcomer");
  writeInto(newcomer, home.id);
  // Was a member, and wrote then.
  const removed = actor("removed");
  writeInto(removed, home.id);
  // Joins by an invite that the owner has sent, and writes.
  const invitee = actor("invitee");
  const invite = home.createInvite("writer");
  give(invitee, owner, owner.account.id, home.id);
  writeInto(invitee, home.id);
  // Makes a group inside the home, with a member that the home does not know.
  const manager = actor("manager");
  const guest = actor("guest");
  give(owner, guest, guest.account.id);
  give(owner, manager, manager.account.id);
  give(owner, newcomer, newcomer.account.id);
  give(owner, removed, removed.account.id);
  // The group of this one is open to everyone.
  const passerby = actor("passerby");
  const open = owner.node.createGroup();
  open.extend(home);
  open.addMember("everyone", "writer");
  owner.values.push(open.id);
  writeInto(passerby, open.id);
  // No role in anything but its own group, which says that it extends the home.
  const stranger = actor("stranger");
  writeInto(stranger, home.id);
  give(stranger, owner, owner.account.id, home.id);
  const claimed = stranger.node.createGroup();
  const claim = [{ op: "set" as const, key: `parent_${home.id}`, value: "extend" }];
  claimed.core.makeTransaction(claim, "trusting");
  stranger.values.push(claimed.id);
  writeInto(stranger, claimed.id);
  // A header and nothing else.
  stranger.values.push(
    stranger.node.createCoValue({
      type: "comap",
      ruleset: { type: "ownedByGroup", group: home.id },
      meta: null,
      ...crypto.createdNowUnique(),
    }).id,
  );

  home.addMember(manager.account, "manager");
  give(manager, owner, owner.account.id, home.id);
  const child = manager.node.createGroup();
  child.extend(groupAt(manager, home.id));
  give(manager, guest, guest.account.id);
  child.addMember(guest.account, "writer");
  manager.values.push(child.id);
  writeInto(guest, child.id);

  const members = { owner, newcomer, removed, invitee, manager, guest, passerby };
  return {
    home: home.id,
    actors: { ...members, stranger },
    wanted: Object.values(members).flatMap(({ values }) => values),
    unwanted: stranger.values,
    async grant() {
      home.addMember(newcomer.account, "writer");
      home.addMember(removed.account, "writer");
      // Takes the key away, which makes a new one for the others.
      home.removeMember(removed.account);
      await invitee.node.acceptInvite(home.id, invite);
    },
  };
}

async function startWithStorage(home: string) {
  let storage: SpriteStorage | undefined;
  const directory = temporaryDirectory();
  const sprite = await startSprite(home, {
    openStorage: async () => {
      storage = await openStorage(directory);
      return storage;
    },
    quota: NOTHING_FOR_STRANGERS,
  });
  const transactionsOf = async (id: string): Promise<number> => {
    const opened = storage;
    if (!opened) return 0;
    const state = await new Promise<KnownState | undefined>((resolve) => opened.loadKnownState(id, resolve));
    return Object.values(state?.sessions ?? {}).reduce((sum, count) => sum + count, 0);
  };
  return { sprite, transactionsOf };
}

const NAMES = ["owner", "newcomer", "removed", "invitee", "manager", "guest", "passerby", "stranger"];

test("In whatever order roles and content arrive, all of members is stored and nothing of strangers", async () => {
  const orders = fc.record({
    order: fc.shuffledSubarray(NAMES, { minLength: NAMES.length }),
    grantsAfter: fc.nat({ max: NAMES.length }),
  });
  await fc.assert(
    fc.asyncProperty(orders, async ({ order, grantsAfter }) => {
      const { home, actors, wanted, unwanted, grant } = world();
      const { sprite, transactionsOf } = await startWithStorage(home);
      const leave: (() => void)[] = [];
      for (const [index, name] of order.entries()) {
        if (index === grantsAfter) await grant();
        leave.push(await comeOnline(actors[name] as Actor, sprite));
      }
      if (grantsAfter === order.length) await grant();
      for (const id of [...wanted, home])
        await until(async () => (await transactionsOf(id)) > 0, {
          what: `the content of ${nameOf(actors, id)}`,
        });
      for (const id of unwanted) expect(await transactionsOf(id)).toBe(0);
      for (const close of leave) close();
      await sprite.sprite.close();
    }),
    {
      numRuns: 25,
      endOnFailure: true,
      examples: [[{ order: NAMES, grantsAfter: 0 }], [{ order: [...NAMES].reverse(), grantsAfter: 8 }]],
    },
  );
});

function nameOf(actors: Record<string, Actor>, id: RawCoID): string {
  const [name = "the home"] = Object.entries(actors).find(([, { values }]) => values.includes(id)) ?? [];
  return `${name} (${id})`;
}
