import type { z } from "zod";

/** One zod issue as the end of a sentence: "it must be at most 1". */
export function describeIssue(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "too_small":
      return `it must ${lengthWord(issue.origin)}${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}`;
    case "too_big":
      return `it must ${lengthWord(issue.origin)}${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}`;
    case "invalid_type":
      return `it must be ${issue.expected === "int" ? "a whole number" : `of type ${issue.expected}`}`;
    case "invalid_value":
      return `it must be one of ${issue.values.join(", ")}`;
    default:
      return issue.message;
  }
}

function lengthWord(origin: string): string {
  if (origin === "string") return "have a length of ";
  return origin === "array" ? "have a count of " : "be ";
}
