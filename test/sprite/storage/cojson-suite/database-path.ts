/** Stands for `libsql` in cojson's test drivers: it only carries the path of the database that a test wants. */
export default class Database {
  readonly filename: string;

  constructor(filename: string) {
    this.filename = filename;
  }

  pragma(): void {}
}
