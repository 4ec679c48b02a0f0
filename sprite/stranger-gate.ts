import type { CoValueCore, SyncMessage } from "cojson";
import { authorOf } from "../shared/agent-keys.ts";
import { SpriteSyncError } from "../shared/errors.ts";
import { type CoValueHeader, isGroupHeader } from "../shared/header.ts";
import type { CoValueId } from "../shared/ids.ts";
import type { Home } from "./home.ts";
import { shapeOf } from "./quota.ts";
import { type ParentClaim, parentClaims } from "./standing.ts";

type Content = Extract<SyncMessage, { action: "content" }>;
type CoSessionId = keyof Content["new"];

/** Values of which one upstream's content was refused, and that are asked for again. About 300 B each. */
const REFUSED = 1_000;
/** Authors that are remembered of one refused value, and parents: with more than that it is asked for at every change. */
const REMEMBERED = 16;

/** Content that may go to the node. */
export interface Screened {
  readonly content: Content;
  /** coSessions that claim to be a member's. */
  readonly members: readonly CoSessionId[];
  /** Whether a claim has to be proven first: if it is false, the node keeps a header that there is no room for. */
  readonly needsProof: boolean;
}

interface Refused {
  readonly shape: CoValueHeader;
  readonly authors: Set<string>;
  readonly parents: readonly ParentClaim[];
}

export interface StrangerGateDeps {
  readonly home: Home;
  /** Asks the upstream for all of a value that is not on disk. */
  readonly ask: (id: CoValueId) => void;
  /** Tells the upstream that a part of what it sent was refused. */
  readonly refuse: (error: SpriteSyncError, id: CoValueId) => void;
}

/**
 * Lets content of members pass, and content of strangers as long as there is room for it ({@link Quota}).
 *
 * 1. Who is a member, {@link Standing} says. What depends on that is asked anew with each message, so the order in which
 *    roles and content arrive does not matter.
 * 2. Content that was refused is asked for again when one of its authors has become a member. Until then nothing more of
 *    these authors is taken of that value: what follows refused content would leave a hole before it.
 * 3. A header that comes without a member's content counts as its sender's: a member's, once this upstream has brought new
 *    content of a member that the node took.
 * 4. What is remembered of an upstream is bounded. Past the bound it is treated as one that is over its quota.
 */
export class StrangerGate {
  readonly #deps: StrangerGateDeps;
  readonly #refused = new Map<CoValueId, Refused>();
  /** Values with a member's content that the node is about to take, each with the charge for a header it brings. */
  readonly #claimed = new Map<CoValueId, { readonly shape: CoValueHeader; readonly header: number }>();
  readonly #stop: () => void;
  /** Whether a member writes on this upstream. */
  #isMembers = false;

  constructor(deps: StrangerGateDeps) {
    this.#deps = deps;
    this.#stop = deps.home.onMembersChanged(() => this.#askAgain());
  }

  close(): void {
    this.#stop();
    // What the node makes of the rest shows when it is stored.
    for (const id of [...this.#claimed.keys()])
      this.answered(id, this.#deps.home.isInMemory(id) || undefined);
  }

  /** The usual case: content of a stored value, all by members, and room for it. */
  passes(core: CoValueCore, content: Content): boolean {
    const { standing, quota } = this.#deps.home;
    if (quota.isFull || quota.isStrangers(core.id) || this.#refused.has(content.id as string as CoValueId))
      return false;
    const header = core.verified?.header as CoValueHeader | undefined;
    if (!header) return false;
    for (const coSession of Object.keys(content.new))
      if (!standing.isMember(core.id, header, authorOf(coSession))) return false;
    return true;
  }

  /** Whether more of a value that was refused would be refused as well. */
  isRefused(id: CoValueId, content: Content): boolean {
    const refused = this.#refused.get(id);
    const authors = Object.keys(content.new).map(authorOf);
    return refused !== undefined && authors.every((author) => refused.authors.has(author));
  }

  /**
   * Takes out of content what strangers may not store any more.
   * @param core `undefined` for a value that is not stored.
   * @throws SpriteSyncError `over-quota` when nothing is left.
   */
  screen(id: CoValueId, core: CoValueCore | undefined, header: CoValueHeader, content: Content): Screened {
    const { quota, standing } = this.#deps.home;
    if (quota.isFull) throw storeFull();
    const parents = isGroupHeader(header) ? claimsIn(content) : [];
    const isVouchedFor = this.#isVouched(id, core, header, parents);
    const { members, strangers } = this.#sorted(id, core, header, content, isVouchedFor);
    const created = core ? 0 : JSON.stringify(header).length;
    const isMembers = members.length > 0 || standing.isBacked(id) || (isVouchedFor && this.#isMembers);
    const charged = isMembers ? 0 : created;
    const shape = shapeOf(header);
    if ((strangers.size === 0 && charged === 0) || this.#take(id, shape, charged, strangers))
      return this.#claim(id, shape, members, created, content);
    this.#remember(id, { shape, authors: new Set(strangers.keys()), parents });
    if (members.length === 0) throw overQuota();
    this.#deps.refuse(overQuota(), id);
    const rest = Object.entries(content.new).filter(([coSession]) => !strangers.has(authorOf(coSession)));
    return this.#claim(id, shape, members, created, { ...content, new: Object.fromEntries(rest) });
  }

  /** Content that {@link screen} let pass did not get to the node: what it depends on is missing. */
  failed(id: CoValueId, header: CoValueHeader, { content, members }: Screened): void {
    this.answered(id, undefined);
    if (members.length > 0) return;
    const authors = new Set(Object.keys(content.new).map(authorOf));
    this.#remember(id, { shape: shapeOf(header), authors, parents: claimsIn(content) });
  }

  /** The node has answered content of a value. @param isTaken whether it was right; `undefined` if that is not known. */
  answered(id: CoValueId, isTaken: boolean | undefined): void {
    const claim = this.#claimed.get(id);
    if (!claim) return;
    this.#claimed.delete(id);
    const { quota } = this.#deps.home;
    quota.prove(claim.header);
    if (isTaken === undefined) return;
    if (!isTaken) {
      // It may have kept the header. Whether there is room for that was looked at before.
      if (claim.header > 0) quota.take(id, claim.shape, claim.header, new Map());
      return;
    }
    quota.adopt(id);
    if (this.#isMembers) return;
    this.#isMembers = true;
    this.#askAgain();
  }

  #claim(
    id: CoValueId,
    shape: CoValueHeader,
    members: readonly CoSessionId[],
    header: number,
    content: Content,
  ): Screened {
    const { quota } = this.#deps.home;
    if (members.length === 0) return { content, members, needsProof: false };
    const before = this.#claimed.get(id)?.header ?? 0;
    const needsProof = header > before && !quota.claim(header - before);
    this.#claimed.set(id, { shape, header: Math.max(header, before) });
    return { content, members, needsProof };
  }

  #take(
    id: CoValueId,
    shape: CoValueHeader,
    header: number,
    strangers: ReadonlyMap<string, number>,
  ): boolean {
    const refused = this.#refused.get(id);
    if (refused && [...strangers.keys()].some((author) => refused.authors.has(author))) return false;
    return this.#deps.home.quota.take(id, shape, header, strangers);
  }

  /** Who wrote what is new in content. */
  #sorted(
    id: CoValueId,
    core: CoValueCore | undefined,
    header: CoValueHeader,
    content: Content,
    isVouchedFor: boolean,
  ): { members: CoSessionId[]; strangers: Map<string, number> } {
    const { standing } = this.#deps.home;
    const strangers = new Map<string, number>();
    const members: CoSessionId[] = [];
    for (const [key, part] of Object.entries(content.new)) {
      const coSession = key as CoSessionId;
      const chars = newChars(core, coSession, part);
      if (chars === 0) continue;
      const author = authorOf(coSession);
      if (isVouchedFor && standing.isMember(id, header, author)) members.push(coSession);
      else strangers.set(author, (strangers.get(author) ?? 0) + chars);
    }
    return { members, strangers };
  }

  #isVouched(
    id: CoValueId,
    core: CoValueCore | undefined,
    header: CoValueHeader,
    parents: readonly ParentClaim[],
  ): boolean {
    const { standing, quota } = this.#deps.home;
    if (header.ruleset.type === "ownedByGroup") return true;
    if (quota.isStrangers(id)) {
      if (!standing.isVouchedFor(id, header, standing.parentsOf(id))) return false;
      quota.adopt(id);
    }
    return core !== undefined || standing.isVouchedFor(id, header, parents);
  }

  #remember(id: CoValueId, { shape, authors, parents }: Refused): void {
    const known = this.#refused.get(id);
    for (const author of authors) if ((known?.authors.size ?? 0) < REMEMBERED) known?.authors.add(author);
    if (known) return;
    const oldest = this.#refused.size < REFUSED ? undefined : this.#refused.keys().next().value;
    if (oldest) this.#refused.delete(oldest);
    const some = new Set([...authors].slice(0, REMEMBERED));
    this.#refused.set(id, { shape, authors: some, parents: parents.slice(0, REMEMBERED) });
  }

  #askAgain(): void {
    for (const [id, refused] of [...this.#refused]) {
      if (!this.#mayPass(id, refused)) continue;
      this.#refused.delete(id);
      this.#deps.ask(id);
    }
  }

  #mayPass(id: CoValueId, { shape, authors, parents }: Refused): boolean {
    const { standing, quota } = this.#deps.home;
    const isVouchedFor =
      !isGroupHeader(shape) ||
      standing.isVouchedFor(id, shape, parents) ||
      (this.#deps.home.isInMemory(id) && !quota.isStrangers(id));
    if (!isVouchedFor) return false;
    if (authors.size === 0) return this.#isMembers;
    return authors.size >= REMEMBERED || [...authors].some((author) => standing.isMember(id, shape, author));
  }
}

function storeFull(): SpriteSyncError {
  return new SpriteSyncError(
    "over-quota",
    "the store of this group is full: raise SPRITE_MEMBER_MB, or compact it",
  );
}

/** Authors without a role have no room left. */
export function overQuota(): SpriteSyncError {
  const reason =
    "authors without a role in this group have stored all that they may; it is asked for again when its author has a role";
  return new SpriteSyncError("over-quota", reason);
}

function claimsIn(content: Content): ParentClaim[] {
  return Object.entries(content.new).flatMap(([coSession, { newTransactions }]) => [
    ...parentClaims(coSession, newTransactions),
  ]);
}

/** Characters of what a coSession has in content and not in memory; 0 when all is there. */
function newChars(
  core: CoValueCore | undefined,
  coSession: CoSessionId,
  { after, newTransactions }: Content["new"][CoSessionId],
): number {
  const known = core?.knownState().sessions[coSession] ?? 0;
  if (after + newTransactions.length <= known) return 0;
  return JSON.stringify(newTransactions.slice(Math.max(0, known - after))).length;
}
