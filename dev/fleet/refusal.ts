import type { Answer } from "./faults.ts";

/** A call of the API that is refused: thrown by the code that does the work, turned into an answer by the server. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly answer: Answer;

  /** @param status as facts/fly-machines §1.9 lists them. */
  constructor(status: number, error: string) {
    super(error);
    this.answer = { status, body: { error } };
  }
}
