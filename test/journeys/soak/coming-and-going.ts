import { setTimeout as pause } from "node:timers/promises";
import { until } from "../../support/until.ts";
import { kill } from "./accidents.ts";
import { type Author, hasNote, leaveNote } from "./author.ts";
import type { Chance } from "./chance.ts";
import type { Team } from "./team.ts";
import type { World } from "./world.ts";

const VISITORS_AT_ONCE = 4;
const AUTHORS_AT_MOST = 7;

/** Clients that come, leave and come back: each of these is one step of the schedule and returns at once. */
export class ComingAndGoing {
  readonly #world: World;
  readonly #chance: Chance;
  #joining = false;
  #devices = 0;

  constructor(world: World, chance: Chance) {
    this.#world = world;
    this.#chance = chance;
  }

  /** Somebody new loads everything that a team has, looks at it for a while, and leaves or stays to the end. */
  visit(): void {
    const team = this.#chance.pick(this.#world.teams.filter(({ silent }) => !silent));
    if (team && this.#world.visitors.size < VISITORS_AT_ONCE)
      this.#world.begin("a visit", () => this.visitOf(team));
  }

  async visitOf(team: Team): Promise<void> {
    const world = this.#world;
    const stayMs = this.#chance.between(0, 10_000);
    const stays = this.#chance.is(0.1);
    const known = team.values.filter(({ announced }) => announced);
    const visitor = await world.newVisitor(team);
    await Promise.all(known.map((value) => world.load(visitor.guest, value)));
    world.diary.count("newcomer loaded", `${visitor.name}: ${known.length} values of ${team.sprite}`);
    if (stays) return;
    await pause(stayMs);
    world.visitors.delete(visitor);
    await visitor.guest.close();
  }

  join(): void {
    const { authors, diary } = this.#world;
    if (this.#joining || authors.length >= AUTHORS_AT_MOST) return;
    this.#joining = true;
    this.#world.begin("an author joining", async () => {
      try {
        const author = await this.#world.newAuthor();
        diary.count("author joined", author.name);
        // What was created while it joined: nobody has told it yet.
        for (const value of this.#world.values) if (!author.has.has(value.id)) await author.follow(value);
      } finally {
        this.#joining = false;
      }
    });
  }

  /**
   * A device that writes once, hears that it is stored, and is never seen again; most often its Sprite dies in that moment.
   * Nobody can send again what it wrote.
   */
  async passBy(team: Team, chance: Chance): Promise<void> {
    const world = this.#world;
    const owner = chance.pick(world.authors.filter(({ online }) => online));
    const value = chance.pick(team.values.filter(({ announced }) => announced));
    if (!owner || !value) return;
    const name = `device ${++this.#devices}`;
    const device = await world.newDevice(name, owner);
    await world.load(device, value);
    leaveNote(device.node, value, name);
    await device.node.syncManager.waitForSync(value.id);
    const closed = device.close();
    if (chance.is(0.8)) kill(world, world.machineOf(team));
    await closed;
    world.legacy.push({ value, device: name });
    // Until somebody else has it, the disk is the only place where it is.
    const others = world.authors.filter(({ has }) => has.has(value.id));
    await until(() => others.some(({ node }) => hasNote(node, value, name)), {
      what: `what ${name} left in ${value.id} reaching anybody`,
      timeoutMs: 60_000,
    });
    world.diary.count("device gone for good after its ack", `${name} in ${value.id}`);
  }

  /** At least half of the authors stay connected, and none leaves while it may be without a connection anyway. */
  leave(): void {
    const { authors, diary, outages } = this.#world;
    const online = authors.filter((author) => author.online);
    const author = this.#chance.pick(online);
    if (!author || outages.recent || online.length <= authors.length / 2) return;
    author.online = false;
    author.client.disconnect();
    diary.count("author left", author.name);
  }

  comeBack(): void {
    const author = this.#chance.pick(this.#world.authors.filter(({ online }) => !online));
    if (author) this.#connect(author);
  }

  everybodyBack(): void {
    for (const author of this.#world.authors) if (!author.online) this.#connect(author);
  }

  #connect(author: Author): void {
    author.online = true;
    author.client.connect();
    this.#world.diary.count("author returned", author.name);
  }
}
