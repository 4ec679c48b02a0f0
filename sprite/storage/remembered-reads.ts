import type Hypercore from "hypercore";
import type { CoreReads, CoreStorage } from "hypercore-storage";

/** What needs no trip to the disk, by the method of a batch of reads that asks for it. */
type Remembered = Partial<Pick<CoreReads, "getBitfieldPage" | "getDependency">>;

/**
 * In each append hypercore 11.37 reads two records that cannot have changed, and waits for each: the page of the
 * bitfield that it will write (`storeBitfieldRange` in lib/session-state.js), of which it has a copy in memory, and
 * which session the log depends on (`_oncommit`), which never changes. Answered from memory, a store of a
 * client that waits makes one trip to the disk thread in place of three. If another version of Hypercore asks in other
 * ways, it is only slower: everything else goes to the disk as before.
 */
export async function rememberDependency(log: Hypercore): Promise<void> {
  const { storage } = log.state;
  const reads = storage.read();
  const asked = reads.getDependency();
  reads.tryFlush();
  const dependency = await asked;
  remember(storage, { getDependency: async () => dependency });
}

/** The other half of {@link rememberDependency}. @param session of the atom that writes to the log. */
export function rememberBitfield(log: Hypercore, session: Hypercore): void {
  // Hypercore sets bits in what it gets and writes that. Two, because an append may begin on one page and end on the
  // next, and used again, because each is a piece of memory that only the garbage collector gives back.
  const copies = [Buffer.alloc(0), Buffer.alloc(0)];
  const getBitfieldPage = async (index: number) => {
    const page = pageOf(log, index);
    if (page === null) return null;
    const own = copies[index % copies.length];
    const copy = own?.length === page.length ? own : Buffer.alloc(page.length);
    copies[index % copies.length] = copy;
    page.copy(copy);
    return copy;
  };
  remember(session.state.storage, { getBitfieldPage });
}

function remember(storage: CoreStorage, remembered: Remembered): void {
  const read = storage.read.bind(storage);
  storage.read = () => {
    let disk: CoreReads | undefined;
    const own = { ...remembered, tryFlush: () => disk?.tryFlush(), destroy: () => disk?.destroy() };
    const get = (_: unknown, name: string | symbol): unknown => {
      if (Object.hasOwn(own, name)) return Reflect.get(own, name);
      disk ??= read();
      const member: unknown = Reflect.get(disk, name);
      return typeof member === "function" ? member.bind(disk) : member;
    };
    // Whatever it is asked for is there: in memory, or a member of the real one.
    return new Proxy({}, { get }) as CoreReads;
  };
}

/** The page as it is on disk: Hypercore changes its own once an append, or a clear, is on disk. */
function pageOf({ core: { bitfield } }: Hypercore, index: number): Buffer | null {
  const page = bitfield.getBitfield(index * bitfield.getPageByteLength() * 8);
  if (page === null) return null;
  const { buffer, byteOffset, byteLength } = page.bitfield;
  return Buffer.from(buffer, byteOffset, byteLength);
}
