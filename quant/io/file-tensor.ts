import type { OpenFile } from "./file-range.ts";
import type { StoredTensor } from "./stored-tensor.ts";

/** Where something lies in a file. */
export interface FilePlace {
  readonly file: OpenFile;
  /** Of its first byte. */
  readonly offset: number;
}

/** A matrix that lies in a file as one piece. */
export abstract class FileTensor implements StoredTensor {
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  abstract readonly dtype: string;
  readonly path: string;
  protected readonly file: OpenFile;
  protected readonly offset: number;

  constructor(name: string, rows: number, cols: number, { file, offset }: FilePlace) {
    this.name = name;
    this.rows = rows;
    this.cols = cols;
    this.path = file.path;
    this.file = file;
    this.offset = offset;
  }

  abstract read(firstRow: number, rowCount: number, out: Float32Array): Promise<void>;
}
