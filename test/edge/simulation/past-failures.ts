/** A run that once broke a promise. */
export interface PastFailure {
  /** What was wrong, and where. */
  readonly name: string;
  readonly seed: number;
  /** Shrunk, as {@link parseOperations} reads them. */
  readonly operations: string;
}

/**
 * Delays come from the seed as well, so that these fail again only while the simulation draws its chances as it did when
 * they were found. What each taught is also tested, directly, beside the module that was wrong.
 */
export const PAST_FAILURES: readonly PastFailure[] = [];
