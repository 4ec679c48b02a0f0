/**
 * The part of the Holepunch libraries that the storage uses: they ship no types of their own.
 * Written from their sources at the versions in package-lock.json (facts/storage.md names the lines).
 */

declare module "hypercore-storage" {
  /** Buffers writes of any number of cores; `flush` is one RocksDB WriteBatch. */
  export interface Atom {
    /** `callback` is called after each flush that RocksDB took; `flush` waits for what it returns. */
    onflush(callback: () => void | Promise<void>): void;
    flush(): Promise<void>;
  }

  /** A batch of point reads that travels to the disk thread once, at `tryFlush`. */
  export interface CoreReads {
    getBlock(index: number): Promise<Buffer | null>;
    getLocal(key: Buffer): Promise<Buffer | null>;
    getBitfieldPage(index: number): Promise<Buffer | null>;
    getDependency(): Promise<unknown>;
    tryFlush(): void;
    /** Rejects everything that was asked and not sent. */
    destroy(): void;
  }

  /** A batch of writes: one RocksDB WriteBatch, or part of an atom. */
  export interface CoreWrites {
    putLocal(key: Buffer, value: Buffer): void;
    deleteLocal(key: Buffer): void;
    deleteLocalRange(start: Buffer, end: Buffer): void;
    flush(): Promise<boolean>;
  }

  export interface CoreStorage {
    read(): CoreReads;
    write(): CoreWrites;
    createLocalStream(range: { gte: Buffer; lt: Buffer }): AsyncIterable<{ key: Buffer; value: Buffer }>;
  }

  export interface StorageOptions {
    allowBackup?: boolean;
    readOnly?: boolean;
    /** Bytes of one RocksDB memtable. */
    writeBufferSize?: number;
    blockCache?: boolean;
    tableCacheIndexAndFilterBlocks?: boolean;
    maxOpenFiles?: number;
    maxBackgroundJobs?: number;
    blobGarbageCollectionAgeCutOff?: number;
    blobGarbageCollectionForceThreshold?: number;
  }

  /** Options of rocksdb-native 3's `compactRange`, with its numbers (`lib/constants.js`). */
  export interface CompactRangeOptions {
    blobGarbageCollectionPolicy: 1;
    /** Share of the blob files, oldest first, that are rewritten; 0.25 unless told, whatever the database's options. */
    blobGarbageCollectionAgeCutoff: number;
    bottommostLevelCompaction: 2;
  }

  export default class HypercoreStorage {
    constructor(directory: string, options?: StorageOptions);
    readonly db: { flush(): Promise<void>; compactRange(options?: CompactRangeOptions): Promise<void> };
    createAtom(): Atom;
  }
}

declare module "hypercore" {
  import type { Atom, CoreStorage } from "hypercore-storage";

  interface Hypercore {
    readonly length: number;
    readonly byteLength: number;
    readonly key: Buffer;
    readonly state: { readonly storage: CoreStorage };
    readonly core: {
      hintsChanged: boolean;
      readonly bitfield: {
        getPageByteLength(): number;
        /** The page with bit number `index`. */
        getBitfield(index: number): { readonly bitfield: Uint32Array } | null;
      };
      readonly header: { readonly hints: { recovering: number; contiguousLength: number } };
      flushHints(): Promise<void>;
    };
    ready(): Promise<void>;
    session(options: { atom?: Atom }): Hypercore;
    append(blocks: Buffer[]): Promise<{ length: number }>;
    get(index: number, options?: { wait?: boolean }): Promise<Buffer | null>;
    clear(start: number, end: number): Promise<unknown>;
    close(): Promise<void>;
  }
  const Hypercore: {
    /** Hash of the first `length` blocks, cleared ones too. The method `treeHash` waits for ever for a cleared last block. */
    treeHashFromStorage(core: Hypercore, length: number): Promise<Buffer>;
  };
  export default Hypercore;
}

declare module "corestore" {
  import type Hypercore from "hypercore";
  import type HypercoreStorage from "hypercore-storage";

  export default class Corestore {
    constructor(storage: HypercoreStorage, options?: { readOnly?: boolean });
    readonly storage: HypercoreStorage;
    ready(): Promise<void>;
    get(options: { name: string }): Hypercore;
    close(): Promise<void>;
  }
}

declare module "hyperbee" {
  import type Hypercore from "hypercore";

  export interface BeeBatch {
    put(key: string, value: unknown): Promise<void>;
    del(key: string): Promise<void>;
    flush(): Promise<void>;
  }

  export interface BeeNode {
    readonly seq: number;
    readonly key: string;
    readonly value: unknown;
  }

  export interface BeeRange {
    gt?: string;
    gte?: string;
    lt?: string;
    lte?: string;
  }

  export default class Hyperbee {
    constructor(core: Hypercore, options: { keyEncoding: "utf-8"; valueEncoding: "json" });
    readonly core: Hypercore;
    readonly version: number;
    ready(): Promise<void>;
    get(key: string): Promise<BeeNode | null>;
    batch(): BeeBatch;
    createReadStream(range?: BeeRange): AsyncIterable<BeeNode>;
    clearUnlinked(): Promise<unknown>;
    close(): Promise<void>;
  }
}
