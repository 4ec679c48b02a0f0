/** Which of Fly's platforms a stack on this computer can play. */
export const PLATFORMS = ["machines", "sprites"] as const;
export type Platform = (typeof PLATFORMS)[number];
