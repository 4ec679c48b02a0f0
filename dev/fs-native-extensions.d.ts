/** The part of the package that is used here (1.5.1); it ships no types. */
declare module "fs-native-extensions" {
  const fileLocks: {
    /** Asks for an exclusive, advisory lock on an open file. */
    tryLock(fd: number): boolean;
  };
  export default fileLocks;
}
