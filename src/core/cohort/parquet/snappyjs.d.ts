/** The package brings no types. */
declare module 'snappyjs' {
  /** @throws Error when it is no Snappy, or would be longer than `maxLength` */
  export function uncompress(compressed: Uint8Array, maxLength: number): Uint8Array;
}
