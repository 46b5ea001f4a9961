import { InternalError } from '../../core/errors.js';
import type { SeriesInstanceUid, SopInstanceUid, StudyInstanceUid } from '../../core/ids.js';
import type { RetrieveSelection } from '../../dimse/index.js';
import type { TalliedInstance } from '../tally/study-tally.js';
import type { Asking } from './asking.js';

/** One C-MOVE or C-GET, and the images that are wanted of what it brings. */
export interface Request {
  readonly selection: RetrieveSelection;
  readonly sopInstanceUids: readonly SopInstanceUid[];
}

export interface RequestScope {
  readonly studyInstanceUid: StudyInstanceUid;
  readonly wanted: ReadonlyMap<SeriesInstanceUid, readonly Pick<TalliedInstance, 'sopInstanceUid'>[]>;
  readonly asking: Asking;
  /** The most UIDs in one request. */
  readonly most: () => number;
  /** How many images the node sends when it is asked for a series, or for the study (null), wanted or not. */
  readonly imagesOf: (series: SeriesInstanceUid | null) => number;
}

/**
 * What of a study a node is still to be asked for: the lanes take requests from here, one after the other. Single images are asked for by
 * series, because there are archives that move nothing when a list spans two.
 */
export class Requests {
  readonly #scope: RequestScope;
  readonly #series: { readonly uid: SeriesInstanceUid; readonly left: SopInstanceUid[] }[];

  constructor(scope: RequestScope) {
    this.#scope = scope;
    this.#series = [...scope.wanted].map(([uid, instances]) => ({
      uid,
      left: instances.map(({ sopInstanceUid }) => sopInstanceUid),
    }));
  }

  get isEmpty(): boolean {
    return this.#series.length === 0;
  }

  /** Requests can't be made smaller than they are. */
  get isWhole(): boolean {
    return this.#scope.asking.level !== 'IMAGE';
  }

  /** How many images the next request brings, at most. */
  get nextSize(): number {
    const { asking, imagesOf } = this.#scope;
    switch (asking.level) {
      case 'STUDY':
        return imagesOf(null);
      case 'SERIES':
        return this.#series.slice(0, this.#most).reduce((sum, { uid }) => sum + imagesOf(uid), 0);
      case 'IMAGE':
        return Math.min(this.#most, this.#series[0]?.left.length ?? 0);
    }
  }

  /** The next request; for single images of at most so many. */
  take(images: number): Request {
    const { asking, studyInstanceUid } = this.#scope;
    switch (asking.level) {
      case 'STUDY':
        return {
          selection: { level: 'STUDY', studyInstanceUid },
          sopInstanceUids: this.#takeSeries(Infinity).uids,
        };
      case 'SERIES': {
        const { series: seriesInstanceUids, uids } = this.#takeSeries(this.#most);
        return {
          selection: { level: 'SERIES', studyInstanceUid, seriesInstanceUids },
          sopInstanceUids: uids,
        };
      }
      case 'IMAGE': {
        const [first] = this.#series;
        if (first === undefined) throw new InternalError('no request is left');
        const sopInstanceUids = first.left.splice(0, Math.min(images, this.#most));
        if (first.left.length === 0) this.#series.shift();
        return {
          selection: { level: 'IMAGE', studyInstanceUid, seriesInstanceUid: first.uid, sopInstanceUids },
          sopInstanceUids,
        };
      }
    }
  }

  /** What has not been taken is not asked for. */
  drop(): void {
    this.#series.length = 0;
  }

  get #most(): number {
    return this.#scope.asking.lists ? this.#scope.most() : 1;
  }

  #takeSeries(most: number): { series: SeriesInstanceUid[]; uids: SopInstanceUid[] } {
    const taken = this.#series.splice(0, most);
    return { series: taken.map(({ uid }) => uid), uids: taken.flatMap(({ left }) => left) };
  }
}
