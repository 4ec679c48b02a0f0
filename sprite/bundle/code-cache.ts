import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { Script } from "node:vm";
import { crc32 } from "node:zlib";

/**
 * Runs a bundle as a program: one function of what a CommonJS module is given.
 * @param compiled the code that V8 has made of it before, which takes longer than everything else that a start does in
 *   JavaScript. V8 refuses that of another version of itself, or with other flags, and compiles anew.
 * @returns the script, for whoever wants to keep its compiled code.
 */
export function runBundle(file: string, compiled?: Buffer): Script {
  // ASCII, so that V8 can take the bytes as they are.
  const source = readFileSync(file, "latin1");
  const script = new Script(source, { filename: file, ...(compiled && { cachedData: compiled }) });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));
  return script;
}

/** Where the compiled code of a bundle is kept. */
export function compiledFileOf(bundle: string): string {
  return `${bundle}.code`;
}

/**
 * Reads the compiled code of a bundle.
 * @param checksum of what was kept. V8 itself compares only lengths, and would run whatever it finds.
 * @returns `undefined` when there is none, or another one.
 */
export function readCompiled(bundle: string, checksum: number): Buffer | undefined {
  try {
    const compiled = readFileSync(compiledFileOf(bundle));
    return checksumOf(compiled) === checksum ? compiled : undefined;
  } catch {
    // Without it a start is slower, and nothing else.
    return undefined;
  }
}

export function checksumOf(compiled: Buffer): number {
  return crc32(compiled);
}
