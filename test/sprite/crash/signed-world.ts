import { randomBytes } from "node:crypto";
import { type CoValueCore, LocalNode, type RawAccount } from "cojson";
import { NapiCrypto } from "cojson/crypto/NapiCrypto";
import { asHome, type CoValueId, type GroupId, parseCoValueId } from "../../../shared/ids.ts";
import { type Content, SignedChain } from "./signed-chain.ts";

const AUTHORS = 3;
const MAPS = 12;
/** These belong to a group that extends the home: more to load before them. */
const MAPS_OF_CHILD = 3;

/** A CoValue with everything that is ever written to it. */
export interface SignedValue {
  readonly id: CoValueId;
  readonly header: NonNullable<Content["header"]>;
  /** By coSession. */
  readonly chains: ReadonlyMap<string, SignedChain>;
}

/** What clients of one home group have: real groups, accounts and maps, signed by several authors. */
export interface SignedWorld {
  readonly home: GroupId;
  readonly values: ReadonlyMap<CoValueId, SignedValue>;
  /** Those that are written to for as long as somebody asks. */
  readonly maps: readonly SignedValue[];
}

const crypto = await NapiCrypto.create();

export function newSignedWorld(random: () => number): SignedWorld {
  const accounts = Array.from({ length: AUTHORS }, () => LocalNode.internalCreateAccount({ crypto }));
  const [owner] = accounts;
  if (!owner) throw new Error("a world needs an author");
  const group = owner.core.node.createGroup();
  group.addMember("everyone", "writer");
  const child = owner.core.node.createGroup();
  child.extend(group);
  const maps = Array.from({ length: MAPS }, (_, index) => {
    return (index < MAPS_OF_CHILD ? child : group).createMap().core;
  });
  const fixed = [...accounts.map(({ core }) => core), group.core, child.core];
  for (const other of accounts.slice(1)) giveAll([owner.core, group.core, child.core, ...maps], other);

  const written = maps.map((map, index) => mapValue(map.id, index, accounts, random));
  const values = [...fixed.map(fixedValue), ...written];
  return {
    home: asHome(idOf(group.core)),
    values: new Map(values.map((value) => [value.id, value])),
    maps: written,
  };
}

function giveAll(cores: readonly CoValueCore[], to: RawAccount): void {
  for (const content of cores.flatMap((core) => core.newContentSince(undefined) ?? [])) {
    to.core.node.syncManager.handleNewContent(content, "import");
  }
}

function fixedValue(core: CoValueCore): SignedValue {
  const coSessions = Object.keys(core.knownState().sessions);
  return {
    id: idOf(core),
    header: headerOf(core),
    chains: new Map(coSessions.map((coSession) => [coSession, new SignedChain(core, coSession, undefined)])),
  };
}

function mapValue(
  id: CoValueCore["id"],
  number: number,
  accounts: readonly RawAccount[],
  random: () => number,
): SignedValue {
  const chains = new Map<string, SignedChain>();
  const cores = accounts.map((account) => account.core.node.expectCoValueLoaded(id));
  cores.forEach((core, author) => {
    const { currentSessionID } = core.node;
    const goOn = () => write(core, sizeOf(number, author), random);
    chains.set(currentSessionID, new SignedChain(core, currentSessionID, goOn));
  });
  const [core] = cores;
  if (!core) throw new Error("a map needs an author");
  return { id: idOf(core), header: headerOf(core), chains };
}

/** One author's transactions: `bytes` each, up to `most` in a message. */
interface Size {
  readonly bytes: number;
  readonly most: number;
}

/** Mostly short ones; some of a few kilobytes, and some so long that the value is stored, and loaded, in pieces. */
function sizeOf(map: number, author: number): Size {
  if (map % 4 === 0 && author === 0) return { bytes: 90_000, most: 1 };
  if (author === 1) return { bytes: 3_000, most: 2 };
  return { bytes: 200, most: 4 };
}

function write(core: CoValueCore, { bytes, most }: Size, random: () => number): void {
  const count = 1 + Math.floor(random() * most);
  for (let made = 0; made < count; made++) {
    const value = randomBytes(Math.ceil(0.75 * bytes * (0.2 + random()))).toString("base64");
    const privacy = random() < 0.7 ? "private" : "trusting";
    core.makeTransaction([{ op: "set", key: `key${Math.floor(random() * 20)}`, value }], privacy);
  }
}

function idOf(core: CoValueCore): CoValueId {
  const id = parseCoValueId(core.id);
  if (!id) throw new Error(`${core.id} is not the id of a CoValue`);
  return id;
}

function headerOf(core: CoValueCore): NonNullable<Content["header"]> {
  if (!core.verified) throw new Error(`${core.id} has no header`);
  return core.verified.header;
}
