/** A promise of the storage, or of the Sprite, that was not kept. */
export class CrashViolation extends Error {
  override readonly name = "CrashViolation";
}
