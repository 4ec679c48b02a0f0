/** A file of an archive; `mode` as in `chmod`. */
export interface TarFile {
  /** At most 100 ASCII characters. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly mode: number;
}

const BLOCK = 512;

/**
 * A tar archive (POSIX ustar) that is the same, byte for byte, for the same files: no times, no owners, sorted by name.
 * What the systems' own `tar` commands write differs by system and by moment, and a release is named by its checksum.
 */
export function tar(files: readonly TarFile[]): Buffer {
  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1));
  const blocks = sorted.flatMap((file) => [
    header(file),
    file.bytes,
    Buffer.alloc(padding(file.bytes.length)),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function padding(length: number): number {
  return (BLOCK - (length % BLOCK)) % BLOCK;
}

function header({ name, bytes, mode }: TarFile): Buffer {
  if (name.length > 100) throw new RangeError(`${name} is too long a name for a tar archive`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number) =>
    void block.write(value.toString(8).padStart(digits, "0"), at, "ascii");
  block.write(name, 0, "ascii");
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(bytes.length, 124, 11);
  octal(0, 136, 11);
  block.write("        ", 148, "ascii");
  block.write("0", 156, "ascii");
  block.write("ustar\u000000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  octal(sum, 148, 6);
  block.write("\u0000 ", 154, "latin1");
  return block;
}
