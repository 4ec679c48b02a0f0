import { SpriteSyncError } from "../shared/errors.ts";

/** A command line that a script cannot follow. Its message is one sentence. */
export class UsageError extends SpriteSyncError {
  /** @param name the script. @param what is wrong, without a full stop. */
  constructor(name: string, what: string) {
    super("config-invalid", `${what}; npm run ${name} -- --help explains what it takes.`);
  }
}

/** Libraries of the system that a bare one lacks, and the packages that bring them. */
const LIBRARIES: Readonly<Record<string, string>> = {
  "libatomic.so.1": "apt-get install libatomic1 (Debian, Ubuntu), or dnf install libatomic (Fedora)",
};
const MISSING_LIBRARY = /(lib[\w.+-]+\.so[.\d]*): cannot open shared object file/;

/**
 * What to tell people about an error. A stack trace is for mistakes of ours only, which are what JavaScript throws by
 * itself: people cannot mend them, but report them.
 */
export function failureText(error: unknown): string {
  const chain = causesOf(error);
  const library = chain.map(({ message }) => MISSING_LIBRARY.exec(message)?.[1]).find(Boolean);
  if (library) {
    const mend = LIBRARIES[library];
    return `${library} is missing on this computer${mend ? `; install it: ${mend}` : ""}`;
  }
  const [first, ...causes] = chain;
  if (!first) return String(error);
  if (first instanceof SpriteSyncError) return first.message;
  if (isOurs(first) && causes.length === 0) return first.stack ?? first.message;
  return [first, ...causes].map(({ message }) => message).join(": ");
}

function isOurs(error: Error): boolean {
  const isSystems = typeof (error as NodeJS.ErrnoException).code === "string";
  return !isSystems && [TypeError, ReferenceError, RangeError].some((kind) => error instanceof kind);
}

const MOST_CAUSES = 8;

/** An error and what led to it. */
function causesOf(error: unknown): Error[] {
  const chain: Error[] = [];
  for (let next = error; next instanceof Error && chain.length < MOST_CAUSES; next = next.cause)
    chain.push(next);
  return chain;
}
