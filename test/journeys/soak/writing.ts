import type { Author } from "./author.ts";
import type { Chance } from "./chance.ts";
import type { Team, Value } from "./team.ts";
import type { World } from "./world.ts";

/** Characters of a large write: from what fits one message to what cojson cuts into several. */
const LARGE = [30_000, 250_000] as const;
/** Most writes go to the newest values of a team, or histories would grow too long to compare. */
const NEWEST = 6;
/** Values of one team: all clients live in one thread, and each follows all of them. */
const VALUES_AT_MOST = 40;

/** What people do: each of these is one step of the schedule and returns at once. */
export class Writing {
  readonly #world: World;
  readonly #chance: Chance;

  constructor(world: World, chance: Chance) {
    this.#world = world;
    this.#chance = chance;
  }

  write(team = this.#lively()): void {
    const [author, value] = this.#pick(team, true);
    if (author && value) this.#world.diary.count("write", author.write(value));
  }

  /** Several authors, one value, one turn of the event loop: none has heard of the others'. */
  contend(): void {
    const value = this.#value(this.#lively());
    if (!value) return;
    const able = this.#authors(true).filter(({ has }) => has.has(value.id));
    if (able.length < 2) return;
    for (const [n, author] of able.entries()) author.contend(value, `${author.name} ${n}`);
    this.#world.diary.count("write of one key by several at once", `${able.length} authors in ${value.id}`);
  }

  writeLarge(): void {
    const [author, value] = this.#pick(this.#lively(), true);
    if (!author || !value) return;
    const size = Math.floor(this.#chance.between(...LARGE));
    author.writeLarge(value, String.fromCharCode(97 + this.#chance.below(26)).repeat(size));
    this.#world.diary.count("large write", `${author.name}, ${size} characters in ${value.id}`);
  }

  writeOffline(): void {
    const team = this.#chance.pick(this.#world.teams);
    const [author, value] = this.#pick(team, false);
    if (!author || !value) return;
    if (this.#chance.is(0.15)) this.#create(author, value.team);
    this.#world.diary.count("write while offline", author.write(value));
  }

  create(): void {
    const team = this.#lively();
    const author = this.#chance.pick(this.#authors(true));
    if (team && author) this.#create(author, team);
  }

  /** The others ask for it, some before anybody has stored it. */
  #create(author: Author, team: Team): void {
    const world = this.#world;
    if (team.values.length >= VALUES_AT_MOST) return;
    const value = author.create(team, this.#chance.is(0.7) ? "map" : "list");
    world.diary.count("new value", `${value.id} by ${author.name}`);
    const acknowledged = author.node.syncManager.waitForSync(value.id, 10 * 60_000);
    world.begin(`storing ${value.id}`, async () => {
      await acknowledged;
      value.announced = true;
    });
    for (const other of world.authors) {
      if (other === author) continue;
      const atOnce = this.#chance.is(0.5);
      world.begin(`${other.name} following ${value.id}`, async () => {
        if (!atOnce) await acknowledged;
        if (await other.follow(value)) world.diary.count("value asked for before it existed", value.id);
      });
    }
  }

  #lively(): Team | undefined {
    return this.#chance.pick(this.#world.teams.filter(({ silent }) => !silent));
  }

  #authors(online: boolean): Author[] {
    return this.#world.authors.filter((author) => author.online === online);
  }

  #value(team: Team | undefined): Value | undefined {
    const values = team?.values ?? [];
    return this.#chance.pick(this.#chance.is(0.8) ? values.slice(-NEWEST) : values);
  }

  #pick(team: Team | undefined, online: boolean): [Author | undefined, Value | undefined] {
    const author = this.#chance.pick(this.#authors(online));
    const value = this.#value(team);
    return value && author?.has.has(value.id) ? [author, value] : [undefined, undefined];
  }
}
