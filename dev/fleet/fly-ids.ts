import { randomBytes } from "node:crypto";

/** A Machine id as Fly writes them: 14 hexadecimal digits. */
export function newMachineId(): string {
  return randomBytes(7).toString("hex");
}

/** A volume id: `vol_` and 18 lowercase letters and digits. */
export function newVolumeId(): string {
  return `vol_${randomBytes(9).toString("hex")}`;
}

/** An event or version id in the shape of a ULID (26 characters of Crockford's base32), without its order in time. */
export function newUlid(): string {
  const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  return `01${[...randomBytes(24)].map((byte) => alphabet[byte % 32]).join("")}`;
}
