/** What the server does when nothing is said. */
export const SERVER_DEFAULTS = {
  host: "127.0.0.1",
  port: 8080,
  queueLimit: 64,
  deadlineMs: 300_000,
  maxTokens: 4096,
  bodyBytes: 1 << 20,
  unreadBytes: 1 << 20,
} as const;
