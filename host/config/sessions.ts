/** Bytes that a folder of sessions may take where nothing is said. */
export const DEFAULT_SESSION_BYTES = 4e9;
