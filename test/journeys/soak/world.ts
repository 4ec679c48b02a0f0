import { setTimeout as pause } from "node:timers/promises";
import { cojsonInternals, type RawAccount, type RawCoID, type RawCoMap, type RawCoValue } from "cojson";
import { pino } from "pino";
import { type Stack, startStack } from "../../../dev/stack.ts";
import { asHome } from "../../../shared/ids.ts";
import { spriteNameOf } from "../../../shared/sprite-name.ts";
import { type Client, startClient } from "../../support/client.ts";
import { type Guest, startGuest } from "../../support/guest.ts";
import { idOf } from "../../support/real-values.ts";
import { until } from "../../support/until.ts";
import type { SocketEnd } from "../../support/watched-sockets.ts";
import { Author } from "./author.ts";
import type { Diary } from "./diary.ts";
import { Outages } from "./outages.ts";
import type { Team, Value } from "./team.ts";

export type Machine = ReturnType<Stack["fleet"]["machines"]>[number];

/** Short enough that a Sprite sleeps many times in a minute; longer than a busy computer takes to attach a session. */
const SLEEP_AFTER_S = 2;
/** How long a value may stay away while somebody who has it is connected. */
const LOAD_PATIENCE_MS = 60_000;
const LOAD_AGAIN_MS = 50;
const LOG_LINES_KEPT = 40_000;

/** Newcomers without an account; they read and then leave. */
export interface Visitor {
  readonly name: string;
  readonly guest: Guest;
  readonly team: Team;
}

/** The whole product, its clients, and what they share. */
export class World {
  readonly diary: Diary;
  readonly outages = new Outages();
  readonly authors: Author[] = [];
  readonly teams: Team[] = [];
  readonly visitors = new Set<Visitor>();
  /** What devices that are gone for good had written and been told to be stored. */
  readonly legacy: { readonly value: Value; readonly device: string }[] = [];
  /** What no accident of ours explains: a Sprite that crashed, or a failed task. */
  readonly faults: string[] = [];
  /** Called at each start of a Sprite's process, and when one says that it goes to sleep. */
  readonly onStarted = new Set<(sprite: string) => void>();
  readonly onFallingAsleep = new Set<(sprite: string) => void>();
  readonly #log: string[] = [];
  /** Sprites whose port another program of this computer took before they listened; their host starts them again. */
  readonly #portTaken = new Set<string>();
  readonly #tasks = new Set<Promise<void>>();
  #stack: Stack | undefined;
  #clients = 0;

  private constructor(diary: Diary) {
    this.diary = diary;
  }

  static async open(
    diary: Diary,
    size: { authors: number; teams: number },
    spriteEntry: string,
  ): Promise<World> {
    const world = new World(diary);
    try {
      world.#stack = await startStack({
        log: pino({ level: "silent" }),
        sleepAfter: SLEEP_AFTER_S,
        spriteEntry,
        onMachine: (change) => world.#machineChanged(change),
        onSpriteLine: (sprite, line) => world.#spriteSaid(sprite, line),
        onEdgeLine: (line) => world.#keep(`edge ${line}`),
      });
      await Promise.all(Array.from({ length: size.authors }, () => world.newAuthor()));
      for (let n = 0; n < size.teams; n++) await world.#newTeam();
      return world;
    } catch (error) {
      await world.close();
      throw error;
    }
  }

  get stack(): Stack {
    if (!this.#stack) throw new Error("the stack has not started");
    return this.#stack;
  }

  get values(): Value[] {
    return this.teams.flatMap(({ values }) => values);
  }

  /** The last lines of Sprites and the edge, oldest first. */
  get log(): readonly string[] {
    return this.#log;
  }

  machineOf({ sprite }: Pick<Team, "sprite">): Machine {
    const machine = this.stack.fleet.machines().find(({ name }) => name === sprite);
    if (!machine) throw new Error(`there is no Sprite ${sprite}`);
    return machine;
  }

  isAsleep(team: Team): boolean {
    return this.machineOf(team).state === "stopped";
  }

  /** A client with an account, which follows all values there are. */
  async newAuthor(): Promise<Author> {
    const name = `author ${++this.#clients}`;
    const client = await startClient(this.stack.syncUrl, {
      name,
      onSocketEnd: (end) => this.outages.ended(name, end),
    });
    const author = new Author(name, client);
    await client.synced();
    for (const team of this.teams) await this.#join(author, team);
    await this.#welcome(author);
    this.authors.push(author);
    return author;
  }

  /** The group that another one extends gets a new member, so that there is news of it in a home that is not its own. */
  async #welcome(author: Author): Promise<void> {
    const [founder] = this.authors;
    const [first] = this.teams;
    if (!founder?.online || !first) return;
    const account = await loadWhatIsThere<RawAccount>(founder.client, author.client.accountID);
    groupOf(founder, first.id).addMember(account, "writer");
  }

  /**
   * Loads a value that was stored once. After the loss of a disk it is nowhere until somebody who has it is connected: only
   * that time counts.
   */
  load(client: Pick<Guest, "load">, { id }: Value): Promise<RawCoValue> {
    return this.patiently(
      () => this.authors.some(({ online, has }) => online && has.has(id)),
      () => client.load(id),
    );
  }

  /** Another device of an author: its account must be there, or its owner must be to restore it. */
  newDevice(name: string, owner: Author): Promise<Client> {
    const onSocketEnd = (end: SocketEnd) => this.outages.ended(name, end);
    return this.patiently(
      () => owner.online,
      () => startClient(this.stack.syncUrl, { deviceOf: owner.client, onSocketEnd }),
    );
  }

  /** Tries again until it succeeds; only time counts in which the edge is there and somebody `canHelp`. */
  private async patiently<T>(canHelp: () => boolean, attempt: () => Promise<T>): Promise<T> {
    let deadline = performance.now() + LOAD_PATIENCE_MS;
    for (;;) {
      const attempted = performance.now();
      const helpless = !canHelp();
      try {
        return await attempt();
      } catch (error) {
        if (helpless || !canHelp() || this.outages.touched(attempted))
          deadline += performance.now() - attempted;
        if (performance.now() > deadline) throw error;
        await pause(LOAD_AGAIN_MS);
      }
    }
  }

  async newVisitor(team: Team): Promise<Visitor> {
    const name = `visitor ${++this.#clients}`;
    const guest = await startGuest(this.stack.syncUrl, (end) => this.outages.ended(name, end));
    const visitor = { name, guest, team };
    this.visitors.add(visitor);
    return visitor;
  }

  /** Runs something beside the schedule; its failure is the soak's. */
  begin(what: string, task: () => Promise<void>): void {
    const run = task()
      .catch((error: unknown) => {
        const cause = error instanceof Error && error.cause ? ` (${String(error.cause)})` : "";
        this.faults.push(`${what}: ${error instanceof Error ? error.message : String(error)}${cause}`);
      })
      .finally(() => this.#tasks.delete(run));
    this.#tasks.add(run);
  }

  /** Waits for everything that was begun. */
  async idle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }

  async close(): Promise<void> {
    const clients = [...this.authors.map(({ client }) => client), ...[...this.visitors].map((v) => v.guest)];
    await Promise.all(clients.map((client) => client.close()));
    await this.#stack?.close();
  }

  async #newTeam(): Promise<void> {
    const [founder] = this.authors;
    if (!founder) throw new Error("a team needs an author");
    const group = founder.node.createGroup();
    group.addMember("everyone", "writer");
    await founder.client.synced();
    // Only a group that has its home already gets a parent in another one.
    const [first] = this.teams;
    const extendsFirst = this.teams.length === 1 && first;
    if (extendsFirst) group.extend(groupOf(founder, first.id));
    const team: Team = {
      parent: extendsFirst ? first.id : undefined,
      id: group.id,
      sprite: spriteNameOf(asHome(idOf(group))),
      values: [],
      trouble: undefined,
      silent: false,
    };
    const kinds = ["map", "list", "map"] as const;
    for (const kind of kinds) founder.create(team, kind).announced = true;
    await founder.client.synced();
    this.teams.push(team);
    for (const author of this.authors) if (author !== founder) await this.#join(author, team);
  }

  async #join(author: Author, team: Team): Promise<void> {
    await loadWhatIsThere(author.client, team.id);
    for (const value of team.values.filter(({ announced }) => announced)) {
      await this.load(author.client, value);
      author.has.add(value.id);
    }
  }

  #machineChanged({
    name,
    state,
    exit,
  }: {
    name: string;
    state: string;
    exit?: { code: number | null; signal: string | null };
  }): void {
    this.#keep(`machine ${name} ${state} ${exit ? JSON.stringify(exit) : ""}`);
    if (exit?.code === 0 && state === "stopped") this.diary.count("fell asleep", name);
    else if (exit && exit.code !== 0 && exit.signal !== "SIGKILL" && !this.#portTaken.delete(name))
      this.faults.push(`${name} crashed: ${JSON.stringify(exit)}`);
    if (state === "started") for (const listener of [...this.onStarted]) listener(name);
  }

  #spriteSaid(sprite: string, line: string): void {
    this.#keep(`${sprite} ${line}`);
    if (line.includes("cannot listen on port")) this.#portTaken.add(sprite);
    if (line.includes("going to sleep")) for (const listener of [...this.onFallingAsleep]) listener(sprite);
  }

  #keep(line: string): void {
    this.#log.push(`${new Date().toISOString().slice(11, 23)} ${line}`);
    if (this.#log.length > LOG_LINES_KEPT) this.#log.shift();
  }
}

export function groupOf({ node }: Author, id: RawCoID) {
  return cojsonInternals.expectGroup(node.expectCoValueLoaded(id).getCurrentContent());
}

/** A value that is stored; a Sprite that lost its disk may say for a while that it is not. */
export function loadWhatIsThere<T extends RawCoValue = RawCoMap>(
  client: Pick<Guest, "load">,
  id: RawCoID,
): Promise<T> {
  return until(() => client.load<T>(id), { what: `loading ${id}`, timeoutMs: 60_000 });
}
