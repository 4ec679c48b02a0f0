import { z } from "zod";
import { spriteRecordSchema } from "./model.ts";

/** `<data>/sprites.json`: what survives a restart of the local host. */
export const spritesStateSchema = z.object({ version: z.literal(1), sprites: z.array(spriteRecordSchema) });
export type SpritesState = z.infer<typeof spritesStateSchema>;
