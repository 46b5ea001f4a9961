/** A row as the driver gives it: column names to values. Each reader says what it expects of them. */
export interface QueryResult<Row> {
  readonly rows: readonly Row[];
  /** Rows that a statement gave or changed. */
  readonly rowCount: number;
}

export interface Queries {
  /**
   * One statement with its parameters ($1, $2, …). `Row` is what the statement's columns are cast to: the SQL of this
   * folder casts dates, times and big integers itself, so that every driver gives the same.
   *
   * @throws DatabaseUnavailableError, DatabaseError
   */
  query<Row = Readonly<Record<string, unknown>>>(
    sql: string,
    params?: readonly unknown[],
  ): Promise<QueryResult<Row>>;
}

/** PostgreSQL, behind whichever driver. It may be away at any time, also at first, and comes back by itself. */
export interface Database extends Queries {
  /** BEGIN, `work`, COMMIT; ROLLBACK when `work` throws. A COMMIT whose answer is lost may have taken effect. */
  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
  /**
   * A connection for `work` alone, closed after it. What the session locks is free then, or when the process ends.
   *
   * @param limitMs how long a statement may take; without: as long as it takes, as migrations may.
   */
  session<T>(work: (queries: Queries) => Promise<T>, limitMs?: number): Promise<T>;
  /** The rows of one snapshot, fetched as they are asked for. The generator must be ended (`for await` does). */
  stream<Row = Readonly<Record<string, unknown>>>(
    sql: string,
    params?: readonly unknown[],
  ): AsyncGenerator<Row, void, undefined>;
  /** Waits for what runs, then closes every connection. May be called twice. */
  close(): Promise<void>;
}
