import { setFlagsFromString } from "node:v8";

// V8 doubles its young space when enough objects have outlived it: from 1 MB to 8 while a program loads, to 16 at some
// time in a long stream. Imported before all else, this makes it 16 MB at the first growth, so that memory is flat
// from the first thousands of tokens on.
setFlagsFromString("--semi-space-growth-factor=16");
