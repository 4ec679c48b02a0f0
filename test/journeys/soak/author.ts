import { cojsonInternals, type LocalNode, type RawCoID, RawCoList, RawCoMap } from "cojson";
import { asHome } from "../../../shared/ids.ts";
import { type SpriteName, spriteNameOf } from "../../../shared/sprite-name.ts";
import type { Client } from "../../support/client.ts";
import { idOf } from "../../support/real-values.ts";
import type { Team, Value } from "./team.ts";

/** The key that everybody writes. */
const SAME = "same";
/** The key of whatever is large. */
const LARGE = "large";

let lastMs = 0;

/**
 * Makes transactions in milliseconds of their own. cojson 0.20.19 orders transactions of different coSessions that were
 * made in the same one by their arrival: copies with the same transactions would then show different contents.
 */
function inOwnMillisecond(make: () => void): void {
  while (Date.now() <= lastMs);
  make();
  lastMs = Date.now();
}

/**
 * A person with an account who writes and stays to the end, connected or not. Remembers what it wrote, so that a loss
 * shows even when all copies agree on it.
 */
export class Author {
  readonly name: string;
  readonly client: Client;
  online = true;
  /** The ids of the values that it has. */
  readonly has = new Set<RawCoID>();
  /** How often it wrote to each value. */
  readonly #written = new Map<Value, number>();

  constructor(name: string, client: Client) {
    this.name = name;
    this.client = client;
  }

  /** The Sprite of its account. */
  get sprite(): SpriteName {
    return spriteNameOf(asHome(idOf({ id: this.client.accountID })));
  }

  get node(): LocalNode {
    return this.client.node;
  }

  /** A map with a key for each author, or a list. */
  create(team: Team, kind: Value["kind"]): Value {
    const group = cojsonInternals.expectGroup(this.node.expectCoValueLoaded(team.id).getCurrentContent());
    const { id } = kind === "map" ? group.createMap() : group.createList();
    const value: Value = { id, kind, team, announced: false };
    this.has.add(id);
    this.write(value);
    team.values.push(value);
    return value;
  }

  /** One transaction that nobody else could have made. */
  write(value: Value): string {
    const n = (this.#written.get(value) ?? 0) + 1;
    this.#written.set(value, n);
    inOwnMillisecond(() => {
      if (value.kind === "map") mapOf(this.node, value).set(this.name, n);
      else listOf(this.node, value).append(`${this.name} ${n}`);
    });
    return `${this.name} ${n} in ${value.id}`;
  }

  /** One transaction on what others write at the same time. */
  contend(value: Value, text: string): void {
    if (value.kind === "list") this.write(value);
    else inOwnMillisecond(() => mapOf(this.node, value).set(SAME, text));
  }

  writeLarge(value: Value, text: string): void {
    inOwnMillisecond(() => {
      if (value.kind === "map") mapOf(this.node, value).set(LARGE, text);
      else listOf(this.node, value).append(text);
    });
  }

  /**
   * Asks for a value, and waits until there is one.
   * @returns whether it came only after it had been said not to exist.
   */
  async follow({ id }: Value): Promise<boolean> {
    const asked = await this.node.loadCoValueCore(id, undefined, true);
    const late = !asked.isAvailable();
    if (late) await asked.waitForAvailable();
    this.has.add(id);
    return late;
  }

  /** What is missing, or twice, of what it wrote, in its own copies; nothing when all is well. */
  misses(): string | undefined {
    for (const [value, count] of this.#written) {
      if (value.kind === "map") {
        const last = mapOf(this.node, value).get(this.name);
        if (last !== count) return `${this.name} wrote ${count} to ${value.id}, which has ${last}`;
        continue;
      }
      const mine = listOf(this.node, value)
        .asArray()
        .filter((item) => String(item).startsWith(`${this.name} `));
      const distinct = new Set(mine).size;
      if (mine.length !== count || distinct !== count)
        return `${this.name} wrote ${count} items to ${value.id}, which has ${mine.length}, ${distinct} of them distinct`;
    }
    return undefined;
  }
}

/** Writes `name` into a value once, as somebody who does nothing else. */
export function leaveNote(node: LocalNode, value: Value, name: string): void {
  inOwnMillisecond(() => {
    if (value.kind === "map") mapOf(node, value).set(name, 1);
    else listOf(node, value).append(name);
  });
}

/** Whether the note is there, once. */
export function hasNote(node: LocalNode, value: Value, name: string): boolean {
  if (value.kind === "map") return mapOf(node, value).get(name) === 1;
  return (
    listOf(node, value)
      .asArray()
      .filter((item) => item === name).length === 1
  );
}

/** Anew each time: cojson may replace the content of a core. */
function mapOf(node: LocalNode, { id }: Value): RawCoMap {
  const content = node.expectCoValueLoaded(id).getCurrentContent();
  if (content instanceof RawCoMap) return content;
  throw new TypeError(`${id} is no map`);
}

function listOf(node: LocalNode, { id }: Value): RawCoList {
  const content = node.expectCoValueLoaded(id).getCurrentContent();
  if (content instanceof RawCoList) return content;
  throw new TypeError(`${id} is no list`);
}
