import { readFile, stat } from "node:fs/promises";
import { z } from "zod";
import { PartialFile } from "../../quant/format/partial-file.ts";
import { InputError } from "../errors.ts";
import type { ChatMessage } from "../text/chat-template.ts";

const MAX_FILE_BYTES = 16 << 20;

const fileSchema = z.object({
  format: z.literal("accllm-conversation"),
  version: z.literal(1),
  messages: z
    .array(z.strictObject({ role: z.enum(["system", "user", "assistant"]), content: z.string() }))
    .max(100_000),
});

/** What was said so far. */
export class Conversation {
  #system: string | undefined;
  #turns: ChatMessage[] = [];

  constructor(system?: string) {
    this.#system = system;
  }

  get messages(): readonly ChatMessage[] {
    return this.#system === undefined
      ? this.#turns
      : [{ role: "system", content: this.#system }, ...this.#turns];
  }

  get system(): string | undefined {
    return this.#system;
  }

  set system(text: string | undefined) {
    this.#system = text === "" ? undefined : text;
  }

  /** Questions asked. */
  get turns(): number {
    return this.#turns.filter(({ role }) => role === "user").length;
  }

  add(role: "user" | "assistant", content: string): void {
    this.#turns.push({ role, content });
  }

  /** Takes the last message back. */
  undo(): void {
    this.#turns.pop();
  }

  /** Forgets the turns; the system prompt stays. */
  reset(): void {
    this.#turns = [];
  }

  /** Writes the conversation as JSON, beside the file and then in its place. @throws InputError where that fails */
  async save(path: string): Promise<void> {
    const content = { format: "accllm-conversation", version: 1, messages: this.messages };
    const bytes = Buffer.from(`${JSON.stringify(content, null, 2)}\n`);
    const file = await PartialFile.create(path, bytes.length, { mode: 0o600 });
    try {
      await file.write(bytes, 0);
      await file.commit();
    } catch (error) {
      await file.discard();
      throw error;
    }
  }

  /**
   * Takes the place of this conversation with a saved one.
   * @throws InputError where the file is none; this conversation is then unchanged
   */
  async load(path: string): Promise<void> {
    const bad = (why: string, cause?: unknown) =>
      new InputError("CONVERSATION_INVALID", `${path} is no saved conversation: ${why}.`, { cause });
    if ((await stat(path)).size > MAX_FILE_BYTES) throw bad(`it has over ${MAX_FILE_BYTES} bytes`);
    let value: unknown;
    try {
      value = JSON.parse(await readFile(path, "utf8"));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== undefined) throw cause;
      throw bad("it is no JSON", cause);
    }
    const result = fileSchema.safeParse(value);
    if (!result.success) throw bad(`field "${result.error.issues[0]!.path.join(".")}"`, result.error);
    const { messages } = result.data;
    const [first, ...rest] = messages;
    const hasSystem = first?.role === "system";
    this.#system = hasSystem ? first.content : undefined;
    this.#turns = hasSystem ? rest : messages;
  }
}
