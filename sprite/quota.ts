import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type CoValueHeader, isAccountHeader } from "../shared/header.ts";
import { isCoValueId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";
import { DiskUse } from "./disk-use.ts";

/** What each CoValue and each message takes on the disk beside its text: rows, signatures, the log's own. Bytes. */
const OVERHEAD_BYTES = 512;
/** From here on health and log tell of it. */
const ALARM_SHARE = 0.8;

const DEFAULTS: QuotaLimits = {
  strangerBytes: LIMITS.strangerKb * 1024,
  strangerValues: LIMITS.strangerValues,
  memberBytes: Number.POSITIVE_INFINITY,
};

export interface QuotaLimits {
  /** What authors without a role may store in all, bytes. */
  readonly strangerBytes: number;
  /** Values that they may create in all. */
  readonly strangerValues: number;
  /** What the whole store may take on the disk, bytes; `Infinity` where only the disk is the limit. */
  readonly memberBytes: number;
}

/** What strangers have stored of one CoValue. */
export interface Charge {
  /** Its header, as {@link shapeOf} cuts it. */
  readonly shape: CoValueHeader;
  /** Bytes of its header, if a stranger brought it; otherwise 0. */
  header: number;
  /** Bytes by author. */
  readonly by: Record<string, number>;
}

export interface QuotaOptions extends Partial<QuotaLimits> {
  /** Where charges are kept over restarts; without one they are forgotten. */
  readonly file?: string;
  /** The store's directory, to measure; without one its size has no limit. */
  readonly directory?: string;
}

/** The part of a header that says who may write, and nothing that its author may choose at will. */
export function shapeOf(header: CoValueHeader): CoValueHeader {
  const { ruleset } = header;
  const meta = isAccountHeader(header) ? { type: "account" } : null;
  if (ruleset.type === "group")
    return { type: "comap", ruleset: { type: "group", initialAdmin: ruleset.initialAdmin }, meta };
  if (ruleset.type === "ownedByGroup")
    return { type: "comap", ruleset: { type: "ownedByGroup", group: ruleset.group }, meta };
  return { type: "comap", ruleset: { type: "unsafeAllowAll" }, meta };
}

/** What health tells. */
export interface QuotaHealth {
  readonly strangers?: { readonly bytes: number; readonly values: number; readonly full: boolean };
  readonly members?: { readonly bytes: number; readonly full: boolean };
}

/**
 * What authors without a role have stored here, and how much of it there may be.
 *
 * 1. What is charged is on the disk before the content it is charged for, so a crash never gives room back.
 * 2. What is remembered is bounded by the limits: each charge has more bytes than its entry.
 * 3. A charge ends when its author turns out to be a member.
 */
export class Quota {
  readonly #limits: QuotaLimits;
  readonly #file: string | undefined;
  readonly #charges: Map<string, Charge>;
  #bytes = 0;
  #values = 0;
  /** Headers that are taken for members' until the node has checked the signatures. */
  #claimedBytes = 0;
  #claimedValues = 0;
  #writing: Promise<void> = Promise.resolve();
  #isWriteDue = false;
  readonly #disk: DiskUse | undefined;
  #told = new Set<string>();

  private constructor(
    limits: QuotaLimits,
    file: string | undefined,
    charges: Map<string, Charge>,
    disk: DiskUse | undefined,
  ) {
    this.#limits = limits;
    this.#disk = disk;
    this.#file = file;
    this.#charges = charges;
    for (const charge of charges.values()) this.#count(charge, 1);
  }

  /**
   * @param options what is not given is the default.
   * @param store tells how many bytes were ever appended to it.
   */
  static async open(options: QuotaOptions = {}, store: { readonly bytes?: number } = {}): Promise<Quota> {
    const { file, directory, ...limits } = options;
    const charges = file === undefined ? new Map() : await readCharges(file);
    const disk = directory === undefined ? undefined : new DiskUse(directory, () => store.bytes ?? 0);
    await disk?.look();
    return new Quota({ ...DEFAULTS, ...limits }, file, charges, disk);
  }

  /** Charges in the order they were made. */
  get charges(): ReadonlyMap<string, Charge> {
    return this.#charges;
  }

  /** Whether the store is as large as it may become. */
  get isFull(): boolean {
    return (this.#disk?.bytes ?? 0) >= this.#limits.memberBytes;
  }

  /** Whether a stranger brought the value here. */
  isStrangers(id: string): boolean {
    return (this.#charges.get(id)?.header ?? 0) > 0;
  }

  /**
   * Charges what strangers send of one value.
   * @param header its bytes, if this creates the value.
   * @returns whether there is room; if not, nothing was charged.
   */
  take(id: string, shape: CoValueHeader, header: number, by: ReadonlyMap<string, number>): boolean {
    const creates = header > 0 && !this.isStrangers(id);
    let bytes = creates ? header + OVERHEAD_BYTES : 0;
    for (const size of by.values()) bytes += size + OVERHEAD_BYTES;
    const { strangerBytes, strangerValues } = this.#limits;
    if (this.#bytes + bytes > strangerBytes || (creates && this.#values >= strangerValues)) return false;
    const charge = this.#charges.get(id) ?? { shape, header: 0, by: {} };
    this.#charges.set(id, charge);
    this.#count(charge, -1);
    if (creates) charge.header = header + OVERHEAD_BYTES;
    for (const [author, size] of by) charge.by[author] = (charge.by[author] ?? 0) + size + OVERHEAD_BYTES;
    this.#count(charge, 1);
    this.#changed();
    return true;
  }

  /**
   * A header of so many bytes comes with a member's content, which the node has not checked yet.
   * @returns whether there is room for it should that be wrong.
   */
  claim(header: number): boolean {
    const { strangerBytes, strangerValues } = this.#limits;
    this.#claimedBytes += header + OVERHEAD_BYTES;
    this.#claimedValues++;
    const bytes = this.#bytes + this.#claimedBytes;
    return bytes <= strangerBytes && this.#values + this.#claimedValues <= strangerValues;
  }

  /** A {@link claim} is decided. */
  prove(header: number): void {
    if (header === 0) return;
    this.#claimedBytes -= header + OVERHEAD_BYTES;
    this.#claimedValues--;
  }

  /** The value has a member behind it after all. */
  adopt(id: string): void {
    const charge = this.#charges.get(id);
    if (!charge || charge.header === 0) return;
    this.#count(charge, -1);
    charge.header = 0;
    this.#count(charge, 1);
    this.#dropEmpty(id, charge);
  }

  /** The author has turned out to be a member. */
  release(id: string, author: string): void {
    const charge = this.#charges.get(id);
    if (!charge || charge.by[author] === undefined) return;
    this.#count(charge, -1);
    delete charge.by[author];
    this.#count(charge, 1);
    this.#dropEmpty(id, charge);
  }

  /** Resolves when all charges are on the disk. Never rejects: a disk that takes no charges takes no content either. */
  async saved(): Promise<void> {
    while (this.#isWriteDue) await this.#writing;
    await this.#writing;
  }

  /** {@link health} as a part of the Sprite's. */
  get news(): { readonly quota?: QuotaHealth } {
    const { health } = this;
    return health ? { quota: health } : {};
  }

  /** What is used for the most part; `undefined` while there is nothing to tell. */
  get health(): QuotaHealth | undefined {
    const { strangerBytes, strangerValues, memberBytes } = this.#limits;
    const share = Math.max(shareOf(this.#bytes, strangerBytes), shareOf(this.#values, strangerValues));
    const stored = this.#disk?.bytes ?? 0;
    const strangers = share >= ALARM_SHARE && {
      strangers: { bytes: this.#bytes, values: this.#values, full: share >= 1 },
    };
    const members = stored >= ALARM_SHARE * memberBytes && { members: { bytes: stored, full: this.isFull } };
    return strangers || members ? { ...strangers, ...members } : undefined;
  }

  /** Logs once when a limit is near. To be called about every second. */
  check(log: Log): void {
    void this.#disk?.look();
    const health = this.health;
    for (const [name, advice] of Object.entries(ADVICE) as [keyof QuotaHealth, string][]) {
      const usage = health?.[name];
      if (usage && !this.#told.has(name)) log.warn({ quota: name, ...usage }, advice);
      if (usage) this.#told.add(name);
      else this.#told.delete(name);
    }
  }

  #count({ header, by }: Charge, sign: 1 | -1): void {
    let bytes = header;
    for (const size of Object.values(by)) bytes += size;
    this.#bytes += sign * bytes;
    if (header > 0) this.#values += sign;
  }

  #dropEmpty(id: string, { header, by }: Charge): void {
    if (header === 0 && Object.keys(by).length === 0) this.#charges.delete(id);
    this.#changed();
  }

  #changed(): void {
    if (this.#file === undefined || this.#isWriteDue) return;
    this.#isWriteDue = true;
    const file = this.#file;
    this.#writing = this.#writing.then(() => {
      this.#isWriteDue = false;
      return writeCharges(file, this.#charges);
    });
  }
}

const ADVICE: Readonly<Record<keyof QuotaHealth, string>> = {
  strangers:
    "authors without a role in this group have stored most of what they may (SPRITE_STRANGER_KB, SPRITE_STRANGER_VALUES)",
  members: "the store has reached most of the size that it may have (SPRITE_MEMBER_MB)",
};

function shareOf(used: number, limit: number): number {
  return used === 0 ? 0 : used / limit;
}

async function readCharges(file: string): Promise<Map<string, Charge>> {
  try {
    const read = JSON.parse(await readFile(file, "utf8")) as [string, Charge][];
    return new Map(read.filter(([id, charge]) => isCoValueId(id) && isCharge(charge)));
  } catch {
    // A new disk, or one on which the file was lost: nothing is known to be a stranger's.
    return new Map();
  }
}

function isCharge({ shape, header, by }: Charge): boolean {
  return typeof shape.ruleset === "object" && Number.isFinite(header) && typeof by === "object";
}

async function writeCharges(file: string, charges: ReadonlyMap<string, Charge>): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.new`, JSON.stringify([...charges]));
    await rename(`${file}.new`, file);
  } catch {
    // A disk that takes no writes takes no content either.
  }
}
