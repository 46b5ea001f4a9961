/** The file contradicts itself, or is written in a way that is not read here. Its text quotes nothing of the file. */
export class ParquetError extends Error {}
